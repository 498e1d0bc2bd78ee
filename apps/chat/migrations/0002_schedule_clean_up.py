from datetime import timedelta

from django.db import migrations

from infrastructure.queue.schedule import seed_periodic


def seed(apps, schema_editor):
    seed_periodic(apps, name="Clean invitations", task="chat.clean_invitations", every=timedelta(hours=1))


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0001_initial"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
