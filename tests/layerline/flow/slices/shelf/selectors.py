from collections.abc import AsyncIterator, Iterator

from channels.db import database_sync_to_async
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet, Value


class ShelfSelector:
    @staticmethod
    def names() -> list[str]:
        return list(Group.objects.values_list("name", flat=True))

    @staticmethod
    def fail() -> None:
        raise LookupError("not to be shown")

    @staticmethod
    def divide() -> list[int]:
        return list(Group.objects.annotate(half=Value(1) / Value(0)).values_list("half", flat=True))

    @staticmethod
    def rows() -> QuerySet[Group]:
        return Group.objects.order_by("name")

    @staticmethod
    def by_name(*, name: str) -> Group | None:
        return Group.objects.filter(name=name).first()

    @staticmethod
    def stream() -> Iterator[str]:
        for number in range(2):
            yield f"{number} of {Group.objects.count()}"

    @staticmethod
    async def stream_to_sockets() -> AsyncIterator[int]:
        for _ in range(2):
            yield await database_sync_to_async(Group.objects.count)()

    @staticmethod
    def get_or_make(*, name: str) -> Group:
        return Group.objects.get_or_create(name=name)[0]

    @staticmethod
    def write_on_commit(*, name: str) -> None:
        transaction.on_commit(lambda: _write(name))

    @staticmethod
    def locked() -> list[Group]:
        with transaction.atomic():
            return list(Group.objects.select_for_update())


def _write(name: str) -> None:
    Group.objects.create(name=name)
