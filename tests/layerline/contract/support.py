"""Small source trees to check: a project of one slice, into which each test plants one file."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Final

from layerline.contract.checker import check
from layerline.contract.findings import Finding

# Marks the lines where a finding is expected; taken away before the file is written.
HERE: Final = "  # <--"

CONFIGURATION: Final = """
[tool.layerline]
packages = ["apps", "infrastructure"]
"""

PROJECT: Final[Mapping[str, str]] = {
    "pyproject.toml": CONFIGURATION,
    "apps/common/exceptions.py": """
        class AppException(Exception):
            code = "internal_error"

        class NotFoundError(AppException):
            code = "not_found"

        class ForbiddenError(AppException):
            code = "forbidden"

        class ConflictError(AppException):
            code = "conflict"
    """,
    "apps/common/types.py": """
        from typing import Protocol

        class Actor(Protocol):
            id: int
    """,
    "apps/rooms/managers.py": """
        from django.db import models

        class RoomQuerySet(models.QuerySet["Room"]):
            def open(self):
                return self.filter(is_open=True)

            def names(self) -> list[str]:
                return [room.name for room in self]
    """,
    "apps/rooms/models.py": """
        from django.conf import settings
        from django.db import models
        from apps.rooms.managers import RoomQuerySet

        class Room(models.Model):
            name = models.CharField(max_length=50)
            owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="rooms")
            objects = RoomQuerySet.as_manager()

            @classmethod
            def busiest(cls):
                return cls.objects.order_by("name")

        class Message(models.Model):
            room = models.ForeignKey(Room, models.CASCADE, related_name="messages")
    """,
    "apps/rooms/exceptions.py": """
        from apps.common.exceptions import NotFoundError

        class RoomGoneError(NotFoundError):
            code = "room_gone"
    """,
    "apps/rooms/types.py": """
        from dataclasses import dataclass

        @dataclass(frozen=True)
        class RoomCard:
            name: str

            def save(self) -> None: ...
    """,
    "apps/rooms/selectors.py": """
        from django.db.models import QuerySet
        from apps.rooms.models import Room
        from apps.rooms.types import RoomCard

        class RoomSelector:
            @staticmethod
            def listing() -> QuerySet[Room]:
                return Room.objects.order_by("pk")

            @staticmethod
            def open_rooms() -> list[Room]:
                return list(Room.objects.filter(is_open=True))

            @staticmethod
            def by_id(*, room_id: int) -> Room:
                return Room.objects.get(pk=room_id)

            @staticmethod
            def card(*, room_id: int) -> RoomCard:
                return RoomCard(name=RoomSelector.by_id(room_id=room_id).name)
    """,
    "apps/rooms/services.py": """
        from apps.rooms.models import Room

        class RoomService:
            @staticmethod
            def open(*, name: str) -> Room:
                return Room.objects.create(name=name)
    """,
    "apps/rooms/tasks.py": """
        from celery import shared_task

        @shared_task
        def clean() -> None:
            return None
    """,
    "infrastructure/cache.py": """
        class RowCache:
            def __init__(self, name: str) -> None:
                self.name = name

            def forget(self, ids: list[int]) -> None: ...
    """,
    "infrastructure/queue/outbox.py": """
        from django.db import connection

        def enqueue(name: str, payload: dict[str, str]) -> None:
            connection.ensure_connection()
    """,
    "infrastructure/email/addresses.py": """
        from unicodedata import normalize

        def normalize_address(address: str) -> str:
            return normalize("NFKC", address).lower()
    """,
    "infrastructure/realtime.py": """
        from channels.layers import get_channel_layer

        class Groups:
            @staticmethod
            def group_send(group: str) -> None:
                get_channel_layer()
    """,
}


def plant(root: Path, files: Mapping[str, str]) -> None:
    """Write files, and an `__init__.py` into each folder on the way that is called neither `bare` nor so begins."""
    for path, code in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(code).replace(HERE, ""), encoding="utf-8")
        for folder in file.relative_to(root).parents:
            if folder.parts and not folder.name.startswith("bare"):
                (root / folder / "__init__.py").touch()


def findings_in(root: Path, files: Mapping[str, str]) -> list[Finding]:
    """Return what the checker finds in the small project with these files besides."""
    plant(root, {**PROJECT, **files})
    return check(root)


def expected_lines(code: str) -> list[int]:
    return [number for number, line in enumerate(dedent(code).splitlines(), start=1) if HERE in line]
