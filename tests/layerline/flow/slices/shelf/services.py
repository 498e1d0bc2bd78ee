import urllib.error
import urllib.request
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from celery import current_app
from channels.layers import get_channel_layer
from django.contrib.auth.models import Group
from django.core.mail import send_mail
from django.db import transaction
from kombu.exceptions import OperationalError

from infrastructure import realtime
from infrastructure.queue import outbox
from tests.layerline.flow.slices.shelf.selectors import ShelfSelector


class ShelfService:
    @staticmethod
    @transaction.atomic
    def add(*, name: str) -> Group:
        return Group.objects.create(name=name)

    @staticmethod
    def add_each(*, names: Iterable[str]) -> None:
        for name in names:
            Group.objects.create(name=name)

    @staticmethod
    def add_all(*, names: Iterable[str]) -> None:
        Group.objects.bulk_create([Group(name=name) for name in names])

    @staticmethod
    def find_each(*, names: Iterable[str]) -> None:
        for name in names:
            ShelfSelector.by_name(name=name)

    @staticmethod
    def find_all(*, names: Iterable[str]) -> list[Group]:
        return list(Group.objects.filter(name__in=list(names)))

    @staticmethod
    def write_home() -> None:
        send_mail("Hello", "Hello", None, ["ada@example.com"])

    @staticmethod
    def mail_inside() -> None:
        with transaction.atomic():
            ShelfService.write_home()

    @staticmethod
    def mail_after() -> None:
        with transaction.atomic():
            transaction.on_commit(ShelfService.write_home)

    @staticmethod
    def publish_inside() -> None:
        with transaction.atomic():
            _publish()

    @staticmethod
    def publish_after() -> None:
        with transaction.atomic():
            transaction.on_commit(_publish)

    @staticmethod
    def tell_sockets_inside(*, layer: Any) -> None:
        with transaction.atomic():
            async_to_sync(layer.group_send)("shelf", {"type": "shelf.changed"})

    @staticmethod
    def tell_sockets_after() -> None:
        with transaction.atomic():
            realtime.push("shelf", {"type": "shelf.changed"})

    @staticmethod
    @transaction.atomic
    def order(*, name: str, order_key: str | None = None) -> UUID:
        return outbox.enqueue("shelf.add_by_name", {"name": name}, order_key=order_key)

    @staticmethod
    @transaction.atomic
    def order_and_tell(*, name: str) -> None:
        ShelfService.order(name=name)
        transaction.on_commit(ShelfService.tell_sockets)

    @staticmethod
    def fail() -> None:
        raise LookupError("not to be shown")

    @staticmethod
    def tell_sockets() -> None:
        layer = get_channel_layer()
        assert layer is not None
        async_to_sync(layer.group_send)("shelf", {"type": "shelf.changed", "name": "not to be shown"})

    @staticmethod
    def call_inside(*, address: str) -> None:
        with transaction.atomic():
            ShelfService.call(address=address)

    @staticmethod
    def call(*, address: str) -> None:
        # Nobody listens there: the guard sees the request before the connection fails.
        with suppress(urllib.error.URLError):
            urllib.request.urlopen(address, timeout=1)


def _publish() -> None:
    # A broker that is away changes nothing for the guard, which sees the message on its way there.
    with suppress(OperationalError):
        current_app.send_task("shelf.nobody_runs_this")
