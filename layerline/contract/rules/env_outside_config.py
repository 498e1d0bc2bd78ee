"""The environment is read in one place, the settings.

The incident: a slice read `os.environ["LIMIT"]` when it first needed it. Production started without the variable, and
the first request that night failed instead of the start that morning.

BAD (apps/rooms/services.py):
    import os

    LIMIT = int(os.environ["LIMIT"])

GOOD (apps/rooms/services.py):
    from django.conf import settings

    class RoomService:
        @staticmethod
        def limit() -> int:
            return settings.ROOM_LIMIT
"""

from collections.abc import Iterator
from typing import Final

from layerline.contract.layout import Role
from layerline.contract.modules import Module
from layerline.contract.rule import Hit, Rule, Source, at

_READERS: Final = frozenset(
    {
        "decouple.config",
        "dotenv.load_dotenv",
        "environ.Env",
        "os.environ",
        "os.environb",
        "os.getenv",
        "os.getenvb",
        "os.putenv",
    }
)


def _applies(module: Module) -> bool:
    return module.place.role is not Role.OTHER and not module.is_test


def _find(source: Source) -> Iterator[Hit]:
    for node, name in source.references():
        if name in _READERS:
            yield at(node, f"reads the environment with `{name}`")


RULE: Final = Rule(
    name="env-outside-config",
    doc=__doc__,
    mend="read it in the settings, and use `django.conf.settings`",
    applies=_applies,
    find=_find,
)
