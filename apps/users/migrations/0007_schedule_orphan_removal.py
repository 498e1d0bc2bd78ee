from datetime import timedelta

from django.db import migrations

from infrastructure.queue.schedule import seed_periodic


def seed(apps, schema_editor):
    seed_periodic(apps, name="Clean orphaned files", task="users.clean_orphaned_files", every=timedelta(days=1))


class Migration(migrations.Migration):
    dependencies = [
        ("users", "0006_erased_accounts_and_former_addresses"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
