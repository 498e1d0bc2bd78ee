"""Beat's schedule lives in the database, where the admin edits it; migrations only put in what is not there."""

from datetime import timedelta
from typing import Any, Final

from django.apps.registry import Apps
from django.utils import timezone

_WHEN: Final = ("interval_id", "crontab_id", "solar_id", "clocked_id", "enabled", "expire_seconds")


def seed_periodic(apps: Apps, *, name: str, task: str, every: timedelta, like: str | None = None) -> None:
    """Add a periodic task, for a data migration; a row of that name is left as somebody edited it.

    The migration depends on django_celery_beat's latest one.

    Args:
        apps: The registry that the migration was given.
        name: What the admin shows.
        task: The Celery task's name.
        every: The pause between two firings, in whole seconds. A firing that no worker took up by the next is dropped.
        like: The task that did this one's work up to now. What somebody changed there holds for this one as well: when
            it is due, that it is not, and that it was taken out.
    """
    tasks = apps.get_model("django_celery_beat", "PeriodicTask").objects
    if like is None:
        when = {"interval": _interval(apps, every), "expire_seconds": int(every.total_seconds())}
    elif former := tasks.filter(task=like).values(*_WHEN).first():
        when = former
    else:
        return
    tasks.get_or_create(name=name, defaults={"task": task, **when})
    # A migration's models send no signals, and a running beat looks at this mark alone.
    apps.get_model("django_celery_beat", "PeriodicTasks").objects.update_or_create(
        ident=1, defaults={"last_update": timezone.now()}
    )


def _interval(apps: Apps, every: timedelta) -> Any:
    intervals = apps.get_model("django_celery_beat", "IntervalSchedule").objects
    # No constraint keeps intervals unique, so get_or_create could find two.
    same = {"every": int(every.total_seconds()), "period": "seconds"}
    return intervals.filter(**same).first() or intervals.create(**same)
