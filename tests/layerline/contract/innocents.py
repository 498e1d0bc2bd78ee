"""Code that looks like a violation and is none: a name, the file and its code."""

from typing import Final

type Innocent = tuple[str, str, str]

_LOCATION: Final = "apps/rooms"
_SELECTORS: Final = f"{_LOCATION}/other/selectors.py"
_SERVICES: Final = f"{_LOCATION}/other/services.py"

DOORS: Final[list[Innocent]] = [
    (
        "a view calls a method of a row that is named like a way back",
        f"{_LOCATION}/views.py",
        """
        def rights(request):
            return request.user.get_permission_set(request.method)
    """,
    ),
    (
        "a view asks a selector",
        f"{_LOCATION}/views.py",
        """
        from apps.rooms.selectors import RoomSelector

        def rooms(request):
            return [room.name for room in RoomSelector.open_rooms()]
    """,
    ),
    (
        "a listing goes to the filter and the paginator",
        f"{_LOCATION}/views.py",
        """
        from apps.rooms.selectors import RoomSelector

        class RoomView:
            def get_queryset(self):
                return RoomSelector.listing()

            def list(self, request):
                page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
                return [room.name for room in page]
    """,
    ),
    (
        "a listing goes to a filter set",
        f"{_LOCATION}/views.py",
        """
        from apps.rooms.filters import RoomFilter
        from apps.rooms.selectors import RoomSelector

        def rooms(request):
            return RoomFilter(request.GET, queryset=RoomSelector.listing()).qs
    """,
    ),
    (
        "a list has filter, get and delete of its own",
        f"{_LOCATION}/views.py",
        """
        class Basket:
            def filter(self, name): ...
            def delete(self): ...
            def save(self): ...

        def shop(request):
            basket = Basket()
            basket.filter("x")
            basket.save()
            basket.delete()
            return request.data.get("x")
    """,
    ),
    (
        "a card that is no row is saved",
        f"{_LOCATION}/views.py",
        """
        from apps.rooms.selectors import RoomSelector

        def card(request):
            card = RoomSelector.card(room_id=1)
            card.save()
    """,
    ),
    (
        "a name is bound again",
        f"{_LOCATION}/views.py",
        """
        from apps.rooms.selectors import RoomSelector

        def names(request):
            rooms = RoomSelector.listing()
            rooms = ["kitchen"]
            return [room.upper() for room in rooms]
    """,
    ),
    (
        "a bucket has objects",
        f"{_LOCATION}/tasks.py",
        """
        def sweep(bucket):
            for item in bucket.objects.filter(Prefix="x"):
                item.delete()
    """,
    ),
    (
        "a constant of a model",
        f"{_LOCATION}/serializers.py",
        """
        from rest_framework import serializers
        from apps.rooms.models import Room

        class RoomSerializer(serializers.Serializer):
            name = serializers.CharField(max_length=Room.NAME_LENGTH)

            def get_owner(self, room: Room) -> str:
                return str(room.owner)
    """,
    ),
    (
        "a plain serializer hands its data over",
        f"{_LOCATION}/views.py",
        """
        from rest_framework import serializers

        class RoomSerializer(serializers.Serializer):
            pass

        def post(request):
            serializer = RoomSerializer(data=request.data)
            serializer.is_valid(raise_exception=True)
            return serializer.validated_data
    """,
    ),
    (
        "a view finds its object by a selector",
        f"{_LOCATION}/views.py",
        """
        from rest_framework.generics import GenericAPIView
        from apps.rooms.selectors import RoomSelector

        class RoomView(GenericAPIView):
            def get_object(self):
                return RoomSelector.by_id(room_id=1)

            def get(self, request):
                return self.get_object().name
    """,
    ),
    (
        "a filter narrows what it is given",
        f"{_LOCATION}/filters.py",
        """
        from django.db.models import QuerySet
        from apps.rooms.models import Room

        class RoomFilter:
            def filter_open(self, queryset: QuerySet[Room], name, value):
                return queryset.filter(is_open=value).distinct()[:10]
    """,
    ),
    (
        "the paginator counts",
        f"{_LOCATION}/pagination.py",
        """
        from django.db.models import QuerySet

        def counted(rows: QuerySet) -> int:
            return len(rows[:10]) + rows.count()
    """,
    ),
    (
        "a throttle reads the user",
        f"{_LOCATION}/throttling.py",
        """
        class RoomThrottle:
            def get_cache_key(self, request, view):
                return f"{request.user.pk}:{request.user.is_authenticated}"
    """,
    ),
    (
        "an error of the database is told of",
        f"{_LOCATION}/handlers.py",
        """
        from django.db import InterfaceError, OperationalError

        def handle(error):
            return isinstance(error, (OperationalError, InterfaceError))
    """,
    ),
    (
        "the admin queries",
        f"{_LOCATION}/admin.py",
        """
        from apps.rooms.models import Room

        class RoomAdmin:
            def get_queryset(self, request):
                return Room.objects.open()
    """,
    ),
    (
        "a command queries and speaks HTTP",
        f"{_LOCATION}/management/commands/demo.py",
        """
        from urllib.request import urlopen
        from apps.rooms.models import Room

        class Command:
            def handle(self):
                Room.objects.all().delete()
                urlopen("http://localhost")
                self.stdout.write("done")
    """,
    ),
    (
        "a consumer sends on its own socket",
        f"{_LOCATION}/consumers.py",
        """
        class RoomConsumer:
            async def connect(self):
                await self.channel_layer.group_add("room", self.channel_name)
                await self.send("hello")
    """,
    ),
]

BELOW: Final[list[Innocent]] = [
    (
        "a selector reads in every way",
        _SELECTORS,
        """
        from django.db import transaction
        from apps.rooms.models import Room

        class Selector:
            @staticmethod
            def names() -> list[str]:
                rooms = Room.objects.select_related("owner").prefetch_related("messages")
                transaction.on_commit(lambda: None)
                return list(rooms.values_list("name", flat=True))
    """,
    ),
    (
        "a dictionary is updated, a set added to",
        _SELECTORS,
        """
        class Selector:
            @staticmethod
            def counts() -> dict[str, int]:
                counts: dict[str, int] = {}
                seen: set[str] = set()
                seen.add("x")
                counts.update(x=1)
                return counts
    """,
    ),
    (
        "a cache entry is deleted and created",
        _SELECTORS,
        """
        from infrastructure.cache import RowCache

        cache = RowCache("rooms")

        class Selector:
            @staticmethod
            def name() -> str:
                cache.delete("x")
                return cache.get_or_create("x")
    """,
    ),
    (
        "a selector reads with SQL",
        _SELECTORS,
        """
        from django.db import connection

        class Selector:
            @staticmethod
            def count() -> int:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT count(*) FROM rooms -- never update")
                    return int(cursor.fetchone()[0])
    """,
    ),
    (
        "a selector raises what it may",
        _SELECTORS,
        """
        from apps.common.exceptions import ForbiddenError, NotFoundError
        from apps.rooms.exceptions import RoomGoneError

        class Selector:
            @staticmethod
            def name(*, room_id: int) -> str:
                try:
                    if room_id == 1:
                        raise NotFoundError
                    if room_id == 2:
                        raise RoomGoneError("gone")
                    raise ForbiddenError from None
                except NotFoundError as error:
                    if room_id:
                        raise
                    raise error
    """,
    ),
    (
        "a listing says so",
        _SELECTORS,
        """
        from django.db.models import QuerySet
        from apps.rooms.models import Room

        class Selector:
            @staticmethod
            def open_listing() -> QuerySet[Room]:
                return Room.objects.open()

            @staticmethod
            def _rows() -> QuerySet[Room]:
                return Room.objects.all()

            @staticmethod
            def first() -> Room | None:
                return Selector._rows().first()

            @staticmethod
            def names() -> list[str]:
                return Room.objects.names()
    """,
    ),
    (
        "a selector has fifteen methods and helpers",
        _SELECTORS,
        "class Selector:\n"
        + "".join(
            f"    @staticmethod\n    def {prefix}m{number}() -> None: ...\n"
            for number in range(15)
            for prefix in ("", "_")
        ),
    ),
    (
        "a service writes, locks and opens transactions",
        _SERVICES,
        """
        from django.db import transaction
        from apps.rooms.models import Room

        class RoomService:
            @staticmethod
            @transaction.atomic(durable=True)
            def close(*, room_id: int, **options: object) -> None:
                room = Room.objects.select_for_update().get(pk=room_id)
                room.save()
                room.messages.all().delete()
                raise ValueError
    """,
    ),
    (
        "a service holds a record and an error",
        _SERVICES,
        """
        from dataclasses import dataclass
        from typing import NamedTuple

        @dataclass
        class Draft:
            name: str

            def title(self) -> str:
                return self.name.title()

        class Pair(NamedTuple):
            left: int

            def sum(self, other):
                return self.left + other

        class StaleError(Exception):
            def reason(self) -> str:
                return ""
    """,
    ),
    (
        "a service knows the order's status",
        _SERVICES,
        """
        from apps.common.types import Actor

        class RoomService:
            @staticmethod
            def close(*, actor: Actor, status: str, requested_at: str) -> None: ...
    """,
    ),
    (
        "a pool applies",
        _SERVICES,
        """
        from multiprocessing.pool import ThreadPool

        class RoomService:
            @staticmethod
            def hash_all() -> None:
                pool = ThreadPool(2)
                pool.apply_async(print_nothing)

        def print_nothing() -> None: ...
    """,
    ),
    (
        "a module of ours is called requests",
        f"{_LOCATION}/views.py",
        """
        from apps.common import requests

        def rooms(request):
            return requests.get(request)
    """,
    ),
    (
        "a debounce has a delay",
        _SERVICES,
        """
        from apps.rooms.types import RoomCard

        def wait(card: RoomCard) -> None:
            card.delay()
            card.send()
    """,
    ),
    (
        "a Django signal is sent",
        f"{_LOCATION}/handlers.py",
        """
        from django.core.signals import got_request_exception

        def handle(request):
            got_request_exception.send(sender=None, request=request)
    """,
    ),
    (
        "a mail is only written",
        _SERVICES,
        """
        from email.message import EmailMessage

        def draft() -> EmailMessage:
            message = EmailMessage()
            message.set_content("x")
            return message
    """,
    ),
    (
        "a socket's name is asked for",
        _SERVICES,
        """
        import socket

        def host() -> str:
            return socket.gethostname()
    """,
    ),
    (
        "the outbox is used",
        _SERVICES,
        """
        from infrastructure.queue import outbox
        from infrastructure.realtime import Groups

        class RoomService:
            @staticmethod
            def invite() -> None:
                outbox.enqueue("rooms.invite", {})
                Groups.group_send("room")
    """,
    ),
    (
        "a manager spells an address",
        f"{_LOCATION}/managers.py",
        """
        from django.db import models
        from infrastructure.email.addresses import normalize_address

        class RoomQuerySet(models.QuerySet):
            def by_address(self, address):
                return self.filter(address=normalize_address(address))

            def make(self, **fields):
                row = self.model(**fields)
                row.save(using=self.db)
                return row
    """,
    ),
    (
        "a signal forgets what is cached",
        f"{_LOCATION}/signals.py",
        """
        from django.db import transaction
        from django.db.models.signals import post_save
        from django.dispatch import receiver
        from apps.rooms.models import Room
        from apps.rooms.selectors import RoomSelector
        from infrastructure.cache import RowCache

        cache = RowCache("rooms")

        @receiver(post_save, sender=Room)
        def forget(instance, **_):
            cache.forget([instance.pk])
            transaction.on_commit(lambda: RoomSelector.by_id(room_id=instance.pk))
    """,
    ),
]
ANYWHERE: Final[list[Innocent]] = [
    (
        "a client is made ready and closed, and calls nobody",
        _SERVICES,
        """
        import requests

        def prepare(session: requests.Session, adapter: object) -> None:
            session.mount("https://", adapter)
            session.close()
    """,
    ),
    (
        "somebody asks whether it is a mail server's connection",
        _SERVICES,
        """
        import smtplib

        def is_mail_server(connection: object) -> bool:
            return isinstance(connection, (smtplib.SMTP, smtplib.LMTP)) or issubclass(type(connection), smtplib.SMTP)
    """,
    ),
    (
        "a migration looks models up",
        f"{_LOCATION}/migrations/0001_initial.py",
        """
        import importlib

        from django.apps import apps as registry

        def fill(apps, schema_editor):
            apps.get_model("rooms", "Room").objects.update(name="x")
            registry.get_model("rooms", "Room")
            importlib.import_module("x")
            print("done")
    """,
    ),
    (
        "apps.py looks up",
        f"{_LOCATION}/apps.py",
        """
        from importlib import import_module

        import_module("apps.rooms.signals")
    """,
    ),
    (
        "another thing has get_model",
        _SERVICES,
        """
        def pick(registry) -> None:
            registry.get_model("x")
            registry.import_module("y")
    """,
    ),
    (
        "config looks up",
        "infrastructure/plugins.py",
        """
        from importlib import import_module

        plugin = import_module("json")
    """,
    ),
    (
        "a package gathers its own names",
        f"{_LOCATION}/urls.py",
        """
        from apps.rooms import models, services
        from apps.rooms.services import RoomService

        names = [services.RoomService, RoomService, models.Room]
    """,
    ),
    (
        "imports for types only",
        f"{_LOCATION}/managers.py",
        """
        from typing import TYPE_CHECKING

        if TYPE_CHECKING:
            from apps.rooms.models import Room

        def name(room: "Room") -> str:
            return room.name
    """,
    ),
    (
        "a slice's init says what the slice is",
        "apps/rooms/__init__.py",
        '''
        """Rooms and messages."""
        # Nothing else.
    ''',
    ),
    (
        "a deeper init gathers",
        f"{_LOCATION}/rules/__init__.py",
        """
        LIMIT = 5
    """,
    ),
    (
        "a thread with its context",
        f"{_LOCATION}/consumers.py",
        """
        import asyncio
        import contextvars

        async def work(job):
            context = contextvars.copy_context()
            await asyncio.get_running_loop().run_in_executor(None, context.run, job)
            await asyncio.to_thread(job)
    """,
    ),
    (
        "everything is caught and raised again",
        _SERVICES,
        """
        def close() -> None:
            try:
                open("x")
            except BaseException as error:
                if error.args:
                    raise
                raise ValueError from error
    """,
    ),
    (
        "everything is caught for a reason",
        _SERVICES,
        """
        from contextlib import suppress

        def close() -> None:
            try:
                open("x")
            except Exception:  # noqa: BLE001  # the row records it
                return
            try:
                open("y")
            except Exception:
                # Whatever it is, the next one must be tried.
                return
            with suppress(Exception):  # closing twice is no error
                open("z")
    """,
    ),
    (
        "a test does what tests do",
        f"{_LOCATION}/tests/test_rooms.py",
        """
        import os
        import requests
        from apps.rooms.models import Room
        from apps.rooms.tasks import clean

        def test_rooms(request):
            try:
                Room.objects.create(name=os.environ["NAME"])
            except Exception:
                print("x")
            clean.delay()
            requests.get("x")
    """,
    ),
    (
        "config and layerline may read the environment",
        "infrastructure/environment.py",
        """
        def read(environ):
            return environ.get("X")
    """,
    ),
    (
        "a method is called print",
        f"{_LOCATION}/views.py",
        """
        class Printer:
            def print(self, text): ...

        def show(request):
            Printer().print("x")

        def report(print):
            print("x")
    """,
    ),
    ("a long file is mostly comments", "infrastructure/clock.py", "A = 1\n" * 400 + "# why\n\n" * 300),
    ("a file in Latin-1", f"{_LOCATION}/views.py", "# coding: utf-8\nname = 'Zoë'\n"),
    ("an empty file", f"{_LOCATION}/views.py", ""),
    (
        "odd syntax",
        f"{_LOCATION}/types.py",
        """
        type Pair[T] = tuple[T, T]

        def first[T](pair: Pair[T], /, *rest: T, **more: T) -> T:
            match pair:
                case (left, _) if left:
                    return left
                case {"x": value, **others}:
                    return value
                case _:
                    return (lambda *a, b=1, **c: b)()

        async def walk(rows):
            async with rows as (a, *b):
                async for row in a:
                    yield [c async for c in row if (d := c)]
            try:
                pass
            except* ValueError as group:
                del group
            else:
                x: int
            finally:
                rows.x, rows["y"] = 1, f"{a!r:>{b}}"
    """,
    ),
]

ALL: Final[list[Innocent]] = [*DOORS, *BELOW, *ANYWHERE]
