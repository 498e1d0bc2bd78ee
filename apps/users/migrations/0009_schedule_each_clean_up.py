from datetime import timedelta

from django.db import migrations

from infrastructure.queue.schedule import seed_periodic


def seed(apps, schema_editor):
    # All this was the work of that one.
    as_before = {"every": timedelta(hours=1), "like": "users.clean_expired_tokens"}
    seed_periodic(apps, name="Clean session origins", task="users.clean_session_origins", **as_before)
    seed_periodic(apps, name="Clean audit trail", task="users.clean_audit_trail", **as_before)
    seed_periodic(apps, name="Clean former addresses", task="users.clean_former_addresses", **as_before)
    seed_periodic(apps, name="Clean MFA challenges", task="users.clean_mfa_challenges", **as_before)


class Migration(migrations.Migration):
    dependencies = [
        ("users", "0008_audit_by_request"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
