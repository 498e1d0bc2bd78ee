"""Beat's schedule lives in the database, where the admin edits it; migrations only put in what is not there."""

from datetime import timedelta

from django.apps.registry import Apps
from django.utils import timezone


def seed_periodic(apps: Apps, *, name: str, task: str, every: timedelta) -> None:
    """Add a periodic task, for a data migration; a row of that name is left as somebody edited it.

    The migration depends on django_celery_beat's latest one.

    Args:
        apps: The registry that the migration was given.
        name: What the admin shows.
        task: The Celery task's name.
        every: The pause between two firings, in whole seconds. A firing that no worker took up by the next is dropped.
    """
    seconds = int(every.total_seconds())
    intervals = apps.get_model("django_celery_beat", "IntervalSchedule").objects
    # No constraint keeps intervals unique, so get_or_create could find two.
    same = {"every": seconds, "period": "seconds"}
    interval = intervals.filter(**same).first() or intervals.create(**same)
    apps.get_model("django_celery_beat", "PeriodicTask").objects.get_or_create(
        name=name, defaults={"task": task, "interval": interval, "expire_seconds": seconds}
    )
    # A migration's models send no signals, and a running beat looks at this mark alone.
    apps.get_model("django_celery_beat", "PeriodicTasks").objects.update_or_create(
        ident=1, defaults={"last_update": timezone.now()}
    )
