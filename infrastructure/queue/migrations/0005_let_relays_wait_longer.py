from django.db import migrations
from django.utils import timezone

# Five seconds, as for all that was seeded, were the pause between two: a worker whose clock was ahead of beat's by as
# much threw every relay away as too old.
SECONDS = 60


def let_wait(apps, schema_editor):
    tasks = apps.get_model("django_celery_beat", "PeriodicTask").objects
    if tasks.filter(task="queue.relay_outbox", expire_seconds=5).update(expire_seconds=SECONDS):
        # What a beat that is running looks at.
        apps.get_model("django_celery_beat", "PeriodicTasks").objects.update_or_create(
            ident=1, defaults={"last_update": timezone.now()}
        )


class Migration(migrations.Migration):
    dependencies = [
        ("queue", "0004_seed_the_clean_up"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(let_wait, migrations.RunPython.noop)]
