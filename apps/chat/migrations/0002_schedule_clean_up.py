from datetime import timedelta

from django.db import migrations

from infrastructure.queue.schedule import seed_periodic


def seed(apps, schema_editor):
    seed_periodic(
        apps, name="Clean deleted rooms", task="chat.clean_deleted_rooms", every=timedelta(minutes=10)
    )


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0001_initial"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
