from uuid import UUID

from celery import shared_task
from django.contrib.auth.models import Group
from django.core.mail import send_mail

from infrastructure.queue.jobs import job
from tests.layerline.flow.slices.shelf.services import ShelfService


@shared_task(name="shelf.add")
def add() -> None:
    ShelfService.add(name="from a task")


@shared_task(name="shelf.count")
def count() -> None:
    Group.objects.count()


@job(name="shelf.add_as_a_job")
def add_as_a_job(_row_id: UUID) -> None:
    ShelfService.add(name="from a job")


@job(name="shelf.count_as_a_job")
def count_as_a_job(_row_id: UUID) -> None:
    Group.objects.count()


@job(name="shelf.mail")
def mail(_row_id: UUID) -> None:
    send_mail("Hello", "Hello", None, ["ada@example.com"])


@job(name="shelf.mail_inside_its_own_transaction")
def mail_inside_its_own_transaction(_row_id: UUID) -> None:
    ShelfService.mail_inside()


@job(name="shelf.add_by_name")
def add_by_name(_row_id: UUID, name: str) -> None:
    ShelfService.add(name=name)
    send_mail("Hello", "Hello", None, ["ada@example.com"])


@job(name="shelf.tell_sockets")
def tell_sockets(_row_id: UUID) -> None:
    ShelfService.tell_sockets()


@job(name="shelf.fail_as_a_job")
def fail_as_a_job(_row_id: UUID) -> None:
    ShelfService.fail()


@shared_task(name="shelf.fail")
def fail() -> None:
    ShelfService.fail()
