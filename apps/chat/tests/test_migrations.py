import pytest
from django.core.management import call_command
from django_celery_beat.models import PeriodicTask

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_clean_up_of_invitations_is_scheduled_every_hour() -> None:
    PeriodicTask.objects.filter(task="chat.clean_invitations").delete()

    for name in ("0001_initial", "0002_schedule_clean_up"):
        call_command("migrate", "chat", name, verbosity=0)

    row = PeriodicTask.objects.get(task="chat.clean_invitations")
    assert (row.interval.every, row.interval.period, row.enabled) == (3_600, "seconds", True)


def test_everything_can_be_taken_back_and_made_again() -> None:
    call_command("migrate", "chat", "zero", verbosity=0)
    call_command("migrate", "chat", verbosity=0)

    call_command("makemigrations", "chat", check=True, dry_run=True, verbosity=0)
