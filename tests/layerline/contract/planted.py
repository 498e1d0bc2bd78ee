"""Violations: a name, the file, its code with the lines to be found marked, and the rule that finds them."""

from typing import Final

type Planted = tuple[str, str, str, str]

_LOCATION: Final = "apps/rooms"

DOORS: Final[list[Planted]] = [
    (
        "a view queries",
        f"{_LOCATION}/views.py",
        """
        from apps.rooms.models import Room

        def rooms(request):
            return list(Room.objects.filter(is_open=True))  # <--
    """,
        "orm-in-door",
    ),
    (
        "a model under another name",
        f"{_LOCATION}/views.py",
        """
        from apps.rooms import models as tables

        def count(request):
            manager = tables.Room.objects  # <--
            return manager.count()
    """,
        "orm-in-door",
    ),
    (
        "a manager by its private name",
        f"{_LOCATION}/views.py",
        """
        from apps.rooms.models import Room

        def count(request):
            return Room._default_manager.count()  # <--
    """,
        "orm-in-door",
    ),
    (
        "a selector's queryset is narrowed",
        f"{_LOCATION}/views.py",
        """
        from apps.rooms.selectors import RoomSelector

        def count(request):
            rooms = RoomSelector.listing()
            return rooms.filter(is_open=True).count()  # <--
    """,
        "orm-in-door",
    ),
    (
        "a selector's queryset is walked through",
        f"{_LOCATION}/views.py",
        """
        from apps.rooms.selectors import RoomSelector

        def names(request):
            return [room.name for room in RoomSelector.listing()]  # <--
    """,
        "orm-in-door",
    ),
    (
        "a selector's queryset is cut",
        f"{_LOCATION}/views.py",
        """
        from apps.rooms.selectors import RoomSelector

        def first(request):
            return RoomSelector.listing()[0]  # <--
    """,
        "orm-in-door",
    ),
    (
        "a selector's queryset is handed to a serializer",
        f"{_LOCATION}/views.py",
        """
        from apps.rooms.selectors import RoomSelector
        from apps.rooms.serializers import RoomSerializer

        class RoomView:
            def get_queryset(self):
                return RoomSelector.listing()

            def list(self, request):
                return RoomSerializer(self.get_queryset(), many=True).data  # <--
    """,
        "orm-in-door",
    ),
    (
        "a view saves a row",
        f"{_LOCATION}/views.py",
        """
        from apps.rooms.selectors import RoomSelector

        def rename(request, room_id):
            room = RoomSelector.by_id(room_id=room_id)
            if room.name:
                room.name = "x"
            room.save()  # <--
    """,
        "orm-in-door",
    ),
    (
        "a view saves the user",
        f"{_LOCATION}/views.py",
        """
        class MeView:
            def patch(self, request):
                me = self.request.user
                me.save()  # <--
    """,
        "orm-in-door",
    ),
    (
        "a view walks a relation",
        f"{_LOCATION}/views.py",
        """
        from apps.rooms.selectors import RoomSelector

        def messages(request, room_id):
            return RoomSelector.by_id(room_id=room_id).messages.count()  # <--
    """,
        "orm-in-door",
    ),
    (
        "a view uses Django's shortcut",
        f"{_LOCATION}/views.py",
        """
        from django.shortcuts import get_object_or_404
        from apps.rooms.models import Room

        def room(request, room_id):
            return get_object_or_404(Room, pk=room_id)  # <--
    """,
        "orm-in-door",
    ),
    (
        "a view speaks SQL",
        f"{_LOCATION}/views.py",
        """
        from django.db import connection

        def ping(request):
            with connection.cursor() as cursor:  # <--
                cursor.execute("SELECT 1")
    """,
        "orm-in-door",
    ),
    (
        "a view lets a model serializer write",
        f"{_LOCATION}/views.py",
        """
        from rest_framework import serializers

        class RoomSerializer(serializers.ModelSerializer):
            pass

        class RoomView:
            def post(self, request):
                serializer = RoomSerializer(data=request.data)
                serializer.save()  # <--
    """,
        "orm-in-door",
    ),
    (
        "a generic view queries for its object",
        f"{_LOCATION}/views.py",
        """
        from rest_framework.generics import GenericAPIView

        class RoomView(GenericAPIView):
            def get(self, request):
                return self.get_object()  # <--
    """,
        "orm-in-door",
    ),
    (
        "a consumer queries in a thread",
        f"{_LOCATION}/consumers.py",
        """
        from channels.db import database_sync_to_async
        from apps.rooms.models import Room

        class RoomConsumer:
            async def connect(self):
                self.room = await database_sync_to_async(Room.objects.get)(pk=1)  # <--
    """,
        "orm-in-door",
    ),
    (
        "a consumer saves the user of its scope",
        f"{_LOCATION}/consumers.py",
        """
        class RoomConsumer:
            async def connect(self):
                user = self.scope["user"]
                await user.asave()  # <--
    """,
        "orm-in-door",
    ),
    (
        "a task deletes",
        f"{_LOCATION}/tasks.py",
        """
        from celery import shared_task
        from apps.rooms.models import Room

        @shared_task
        def clean():
            Room.objects.all().delete()  # <--
    """,
        "orm-in-door",
    ),
    (
        "a serializer writes",
        f"{_LOCATION}/serializers.py",
        """
        from rest_framework import serializers
        from apps.rooms.models import Room

        class RoomSerializer(serializers.Serializer):
            def create(self, data):
                return Room.objects.create(**data)  # <--

            def update(self, instance, data):
                instance.save()  # <--
    """,
        "orm-in-door",
    ),
    (
        "a serializer's field queries",
        f"{_LOCATION}/serializers.py",
        """
        from rest_framework import serializers
        from apps.rooms.models import Room

        class JoinSerializer(serializers.Serializer):
            room = serializers.PrimaryKeyRelatedField(queryset=Room.objects.all())  # <--
    """,
        "orm-in-door",
    ),
    (
        "a permission asks for rows",
        f"{_LOCATION}/permissions.py",
        """
        from apps.rooms.models import Message, Room

        class MayRead:
            def has_object_permission(self, request, view, obj: Room):
                return obj.messages.exists()  # <--
    """,
        "orm-in-door",
    ),
    (
        "an authentication queries",
        f"{_LOCATION}/authentication.py",
        """
        from django.contrib.auth.models import User

        class Basic:
            def authenticate(self, request):
                return User.objects.first()  # <--
    """,
        "orm-in-door",
    ),
    (
        "a throttle counts rows",
        f"{_LOCATION}/throttling.py",
        """
        from apps.rooms.models import Room

        class RoomThrottle:
            rows = Room.objects  # <--
    """,
        "orm-in-door",
    ),
    (
        "a filter starts a query of its own",
        f"{_LOCATION}/filters.py",
        """
        from apps.rooms.models import Room

        def filter_open(queryset):
            return queryset.filter(pk__in=Room.objects.open())  # <--
    """,
        "orm-in-door",
    ),
    (
        "a view goes on with a model's own queryset",
        f"{_LOCATION}/views.py",
        """
        from apps.rooms.models import Room

        def count(request):
            return Room.busiest().count()  # <--
    """,
        "orm-in-door",
    ),
    (
        "a view opens a transaction",
        f"{_LOCATION}/views.py",
        """
        from django.db import transaction

        def close(request):
            with transaction.atomic():  # <--
                return None
    """,
        "transaction-in-door",
    ),
    (
        "a task waits for a commit",
        f"{_LOCATION}/tasks.py",
        """
        from django.db.transaction import on_commit as after

        def clean():
            after(print_nothing)  # <--

        def print_nothing():
            return None
    """,
        "transaction-in-door",
    ),
    (
        "the admin opens a transaction",
        f"{_LOCATION}/admin.py",
        """
        from django.db import transaction

        class RoomAdmin:
            @transaction.atomic  # <--
            def close(self, request, queryset):
                return None
    """,
        "transaction-in-door",
    ),
]

_SELECTORS: Final = f"{_LOCATION}/other/selectors.py"

SELECTORS: Final[list[Planted]] = [
    (
        "a selector creates",
        _SELECTORS,
        """
        from apps.rooms.models import Room

        class Selector:
            @staticmethod
            def by_name(*, name: str) -> Room:
                return Room.objects.get_or_create(name=name)[0]  # <--
    """,
        "write-in-selector",
    ),
    (
        "a selector saves what it found",
        _SELECTORS,
        """
        from apps.rooms.models import Room

        class Selector:
            @staticmethod
            def touched(*, pk: int) -> Room:
                room = Room.objects.filter(pk=pk).first()
                room.save(update_fields=["name"])  # <--
                return room
    """,
        "write-in-selector",
    ),
    (
        "a selector saves in a loop",
        _SELECTORS,
        """
        from apps.rooms.models import Room

        def mark(*, pks: list[int]) -> None:
            for room in Room.objects.filter(pk__in=pks):
                room.delete()  # <--
    """,
        "write-in-selector",
    ),
    (
        "a selector updates in bulk",
        _SELECTORS,
        """
        from django.db.models import QuerySet
        from apps.rooms.models import Room

        def _close(rooms: QuerySet[Room]) -> None:
            rooms.update(is_open=False)  # <--
    """,
        "write-in-selector",
    ),
    (
        "a selector writes through a relation",
        _SELECTORS,
        """
        from apps.rooms.models import Room

        def _clear(room: Room) -> None:
            room.messages.all().delete()  # <--
    """,
        "write-in-selector",
    ),
    (
        "a selector locks",
        _SELECTORS,
        """
        from apps.rooms.models import Room

        class Selector:
            @staticmethod
            def locked(*, pk: int) -> Room:
                return Room.objects.select_for_update().get(pk=pk)  # <--
    """,
        "write-in-selector",
    ),
    (
        "a selector opens a transaction",
        _SELECTORS,
        """
        from django.db import transaction

        class Selector:
            @staticmethod
            @transaction.atomic  # <--
            def names() -> list[str]:
                return []
    """,
        "write-in-selector",
    ),
    (
        "a selector writes with SQL",
        _SELECTORS,
        """
        from django.db import connection

        def _reset() -> None:
            with connection.cursor() as cursor:
                cursor.execute("UPDATE rooms SET name = ''")  # <--
    """,
        "write-in-selector",
    ),
    (
        "a selector raises a conflict",
        _SELECTORS,
        """
        from apps.common.exceptions import ConflictError

        class Selector:
            @staticmethod
            def free() -> str:
                raise ConflictError("full")  # <--
    """,
        "raise-in-selector",
    ),
    (
        "a selector raises Django's 404",
        _SELECTORS,
        """
        from django.http import Http404

        def _missing() -> None:
            raise Http404  # <--
    """,
        "raise-in-selector",
    ),
    (
        "a selector raises DRF's error",
        _SELECTORS,
        """
        from rest_framework.exceptions import NotFound

        def _missing() -> None:
            raise NotFound("no")  # <--
    """,
        "raise-in-selector",
    ),
    (
        "a queryset leaves without saying so",
        _SELECTORS,
        """
        from apps.rooms.models import Room

        class Selector:
            @staticmethod
            def recent() -> object:  # <--
                return Room.objects.order_by("-pk")[:5]
    """,
        "queryset-leaves-selector",
    ),
    (
        "a custom queryset leaves",
        _SELECTORS,
        """
        from apps.rooms.managers import RoomQuerySet
        from apps.rooms.models import Room

        class Selector:
            @staticmethod
            def recent() -> RoomQuerySet:  # <--
                return Room.objects.open()
    """,
        "queryset-leaves-selector",
    ),
    (
        "a selector has sixteen methods",
        _SELECTORS,
        "class Selector:  # <--\n"
        + "".join(f"    @staticmethod\n    def m{number}() -> None: ...\n" for number in range(16)),
        "too-many-methods",
    ),
    (
        "a selector takes by position",
        _SELECTORS,
        """
        class RoomSelector:
            @staticmethod
            def by_id(room_id: int) -> None: ...  # <--
    """,
        "positional-service-method",
    ),
]
_SERVICES: Final = f"{_LOCATION}/other/services.py"

SERVICES: Final[list[Planted]] = [
    (
        "a service takes a request",
        _SERVICES,
        """
        from rest_framework.request import Request

        class RoomService:
            @staticmethod
            def close(*, asked_by: Request) -> None: ...  # <--
    """,
        "request-in-service",
    ),
    (
        "a service takes a request by name",
        _SERVICES,
        """
        from typing import Any

        def close(request: Any) -> None: ...  # <--
    """,
        "request-in-service",
    ),
    (
        "a service returns a response",
        _SERVICES,
        """
        from django.http import JsonResponse

        class RoomService:
            @staticmethod
            def close() -> JsonResponse | None: ...  # <--
    """,
        "request-in-service",
    ),
    (
        "a service names a status",
        _SERVICES,
        """
        from http import HTTPStatus

        class RoomService:
            @staticmethod
            def close() -> int:
                return HTTPStatus.CONFLICT  # <--
    """,
        "request-in-service",
    ),
    (
        "an error carries a status",
        f"{_LOCATION}/exceptions.py",
        """
        from apps.common.exceptions import ConflictError

        class RoomFullError(ConflictError):
            status_code = 409  # <--
    """,
        "request-in-service",
    ),
    (
        "a service is no namespace",
        _SERVICES,
        """
        class RoomService:
            def close(self, *, room_id: int) -> None: ...  # <--
    """,
        "positional-service-method",
    ),
    (
        "a service leaves out a type",
        _SERVICES,
        """
        class RoomService:
            @staticmethod
            def close(*, room_id) -> None: ...  # <--

            @staticmethod
            def open(*, room_id: int): ...  # <--
    """,
        "positional-service-method",
    ),
    (
        "a service sends mail",
        _SERVICES,
        """
        from django.core import mail

        class RoomService:
            @staticmethod
            def invite(*, to: str) -> None:
                mail.send_mail("subject", "body", None, [to])  # <--
    """,
        "side-effect-outside-infrastructure",
    ),
    (
        "a service sends a message object",
        _SERVICES,
        """
        from django.core.mail import EmailMultiAlternatives as Letter

        class RoomService:
            @staticmethod
            def invite(*, to: str) -> None:
                letter = Letter("subject", "body", None, [to])
                letter.attach_alternative("<p>", "text/html")
                letter.send()  # <--
    """,
        "side-effect-outside-infrastructure",
    ),
    (
        "a service delays a task",
        _SERVICES,
        """
        from apps.rooms.tasks import clean

        class RoomService:
            @staticmethod
            def close() -> None:
                clean.delay()  # <--
                clean.si().apply_async(countdown=5)  # <--
    """,
        "side-effect-outside-infrastructure",
    ),
    (
        "a service publishes by name",
        _SERVICES,
        """
        from celery import current_app

        class RoomService:
            @staticmethod
            def close() -> None:
                current_app.send_task("rooms.clean")  # <--
    """,
        "side-effect-outside-infrastructure",
    ),
    (
        "a service calls another machine",
        _SERVICES,
        """
        import requests as http

        class RoomService:
            @staticmethod
            def close() -> None:
                http.post("https://hooks.example", timeout=5)  # <--
    """,
        "side-effect-outside-infrastructure",
    ),
    (
        "a service keeps a client",
        _SERVICES,
        """
        import httpx

        def ask(client: httpx.Client) -> None:
            client.headers.update({"accept": "*/*"})
            client.get("https://hooks.example")  # <--
            client.send(client.build_request("GET", "https://hooks.example"))  # <--
    """,
        "side-effect-outside-infrastructure",
    ),
    (
        "a service opens a socket",
        _SERVICES,
        """
        from socket import create_connection

        def ask() -> None:
            create_connection(("example", 1))  # <--
    """,
        "side-effect-outside-infrastructure",
    ),
    (
        "a view opens an address",
        f"{_LOCATION}/views.py",
        """
        from urllib import request as urls

        def proxy(request):
            return urls.urlopen("https://example")  # <--
    """,
        "side-effect-outside-infrastructure",
    ),
    (
        "a consumer tells a group",
        f"{_LOCATION}/consumers.py",
        """
        class RoomConsumer:
            async def receive(self, text):
                await self.channel_layer.group_send("room", {"type": "said"})  # <--
    """,
        "side-effect-outside-infrastructure",
    ),
    (
        "a service tells a group",
        _SERVICES,
        """
        from asgiref.sync import async_to_sync
        from channels.layers import get_channel_layer

        def tell() -> None:
            layer = get_channel_layer()
            async_to_sync(layer.group_send)("room", {})  # <--
    """,
        "side-effect-outside-infrastructure",
    ),
    (
        "a command delays a task",
        f"{_LOCATION}/management/commands/clean.py",
        """
        from apps.rooms.tasks import clean

        class Command:
            def handle(self):
                clean.apply_async()  # <--
    """,
        "side-effect-outside-infrastructure",
    ),
    (
        "a model queues",
        f"{_LOCATION}/models.py",
        """
        from django.db import models
        from infrastructure.queue import outbox

        class Room(models.Model):
            def save(self, **options):
                super().save(**options)
                outbox.enqueue("rooms.saved", {})  # <--
    """,
        "model-sends",
    ),
    (
        "a manager tells a group",
        f"{_LOCATION}/managers.py",
        """
        from infrastructure.realtime import Groups

        class RoomManager:
            def close(self):
                Groups.group_send("room")  # <--
    """,
        "model-sends",
    ),
    (
        "a signal writes",
        f"{_LOCATION}/signals.py",
        """
        from apps.rooms.models import Message

        def greet(instance, created, **_):
            Message.objects.create(room=instance)  # <--
    """,
        "signal-does-more",
    ),
    (
        "a signal calls a service",
        f"{_LOCATION}/signals.py",
        """
        from apps.rooms.services import RoomService

        def greet(instance, **_):
            RoomService.open(name="x")  # <--
    """,
        "signal-does-more",
    ),
    (
        "a signal queues",
        f"{_LOCATION}/signals.py",
        """
        from infrastructure.queue.outbox import enqueue

        def greet(instance, **_):
            enqueue("rooms.greet", {})  # <--
    """,
        "signal-does-more",
    ),
    (
        "a signal changes the row",
        f"{_LOCATION}/signals.py",
        """
        def shorten(instance, **_):
            instance.name = instance.name.strip()  # <--
    """,
        "signal-does-more",
    ),
]
ANYWHERE: Final[list[Planted]] = [
    (
        "a model is looked up",
        _SERVICES,
        """
        from django.apps import apps as registry

        def close() -> None:
            registry.get_model("rooms", "Room")  # <--
    """,
        "naked-lookup",
    ),
    (
        "a module is looked up",
        f"{_LOCATION}/views.py",
        """
        from importlib import import_module

        rooms = import_module("apps.rooms.services")  # <--
    """,
        "naked-lookup",
    ),
    (
        "the user model is looked up",
        f"{_LOCATION}/serializers.py",
        """
        from django.contrib import auth

        User = auth.get_user_model()  # <--
    """,
        "naked-lookup",
    ),
    (
        "a model is borrowed from a service",
        f"{_LOCATION}/permissions.py",
        """
        from apps.rooms.services import Room  # <--
    """,
        "re-export",
    ),
    (
        "a model is borrowed through a module",
        f"{_LOCATION}/permissions.py",
        """
        from apps.rooms import services

        model = services.Room  # <--
    """,
        "re-export",
    ),
    (
        "a relative import borrows",
        f"{_LOCATION}/urls.py",
        """
        from .selectors import RoomCard  # <--
    """,
        "re-export",
    ),
    (
        "an import hides in a method",
        "infrastructure/clock.py",
        """
        class Clock:
            def now(self):
                from time import monotonic  # <--

                return monotonic()
    """,
        "local-import",
    ),
    (
        "an import hides in a test",
        f"{_LOCATION}/tests/test_rooms.py",
        """
        def test_rooms():
            import json  # <--
    """,
        "local-import",
    ),
    (
        "a slice's init imports",
        "apps/rooms/__init__.py",
        """
        from apps.rooms.apps import RoomsConfig  # <--
    """,
        "slice-init-not-empty",
    ),
    (
        "the container's init binds",
        "apps/__init__.py",
        """
        version = 1  # <--
    """,
        "slice-init-not-empty",
    ),
    (
        "a thread without context",
        f"{_LOCATION}/consumers.py",
        """
        import asyncio

        async def work(job):
            loop = asyncio.get_event_loop()
            await loop.run_in_executor(None, job, 1)  # <--
    """,
        "bare-run-in-executor",
    ),
    (
        "everything is swallowed",
        _SERVICES,
        """
        def close() -> None:
            try:
                open("x")
            except (ValueError, Exception):  # <--
                return
    """,
        "swallowed-exception",
    ),
    (
        "a bare except",
        "infrastructure/clock.py",
        """
        def now():
            try:
                return 1
            except:  # noqa: E722  # <--
                return None
    """,
        "swallowed-exception",
    ),
    (
        "everything is suppressed",
        f"{_LOCATION}/tasks.py",
        """
        from contextlib import suppress

        def clean():
            with suppress(Exception):  # <--
                open("x")
    """,
        "swallowed-exception",
    ),
    (
        "only an inner function raises",
        f"{_LOCATION}/tasks.py",
        """
        def clean():
            try:
                open("x")
            except Exception:  # <--
                def again():
                    raise ValueError
                return again
    """,
        "swallowed-exception",
    ),
    (
        "a slice reads the environment",
        f"{_LOCATION}/views.py",
        """
        from os import environ

        LIMIT = environ.get("LIMIT")  # <--
    """,
        "env-outside-config",
    ),
    (
        "infrastructure reads the environment",
        "infrastructure/clock.py",
        """
        import os

        ZONE = os.getenv("ZONE")  # <--
    """,
        "env-outside-config",
    ),
    (
        "a slice prints",
        f"{_LOCATION}/views.py",
        """
        def rooms(request):
            print(request)  # <--
    """,
        "print-in-slice",
    ),
    (
        "a command prints",
        f"{_LOCATION}/management/commands/clean.py",
        """
        from pprint import pprint

        pprint({})  # <--
    """,
        "print-in-slice",
    ),
    ("a file is too long", "infrastructure/clock.py", "A = 1  # <--\n" + "A = 2\n" * 400, "file-too-long"),
    ("a file cannot be parsed", f"{_LOCATION}/views.py", "def (:  # <--\n", "syntax-error"),
    ("a file holds NUL", f"{_LOCATION}/views.py", "A = 1\x00  # <--\n", "syntax-error"),
    ("a file claims an unknown encoding", f"{_LOCATION}/views.py", "# coding: nonsense  # <--\n", "syntax-error"),
]

ALL: Final[list[Planted]] = [*DOORS, *SELECTORS, *SERVICES, *ANYWHERE]
