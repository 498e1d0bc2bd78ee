from datetime import timedelta

from django.db import migrations

from infrastructure.queue.schedule import seed_periodic


def seed(apps, schema_editor):
    seed_periodic(
        apps, name="Clean expired tokens", task="users.clean_expired_tokens", every=timedelta(hours=1)
    )


class Migration(migrations.Migration):
    dependencies = [
        ("users", "0002_row_version"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
