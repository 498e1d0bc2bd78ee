from datetime import timedelta

from django.db import migrations

from infrastructure.queue.schedule import seed_periodic


def seed(apps, schema_editor):
    seed_periodic(
        apps, name="Clean idempotency keys", task="common.clean_idempotency_keys", every=timedelta(hours=1)
    )


class Migration(migrations.Migration):
    dependencies = [
        ("common", "0001_idempotency_keys"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
