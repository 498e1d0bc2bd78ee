"""Models and managers hold one row's logic and send nothing.

The incident: `Room.save()` queued a notification. A data migration saved sixty thousand rooms, and sixty thousand
people were notified.

Pure helpers of those packages, whose modules reach no vendor, may be called: how a mail address is spelled, for one.

BAD (apps/rooms/models.py):
    from infrastructure.queue import outbox

    class Note:
        def save(self) -> None:
            outbox.enqueue("rooms.notify", {})

GOOD (apps/rooms/models.py):
    class Note:
        def is_long(self) -> bool:
            return True
"""

import re
from collections.abc import Iterator
from typing import Final

from layerline.contract.rule import Hit, Rule, Source, at, in_layers

_SENDERS: Final = frozenset({"email", "mail", "queue", "realtime"})
# What a module may reach without being able to send anything.
_HARMLESS: Final = re.compile(
    r"(__future__|abc|base64|collections|contextlib|dataclasses|datetime|decimal|enum|functools|hashlib|itertools|json"
    r"|logging|math|re|string|structlog|typing|unicodedata|uuid|email\.utils|django\.(conf|utils))(\.|$)"
)


def _find(source: Source) -> Iterator[Hit]:
    for call in source.calls():
        for name in source.names(call.func):
            if _is_sender(source, name) and not _is_pure(source, name):
                yield at(call, f"calls `{name}`")


def _is_sender(source: Source, name: str) -> bool:
    for package in source.project.layout.infrastructure:
        if name.startswith(f"{package}."):
            return name.removeprefix(f"{package}.").partition(".")[0] in _SENDERS
    return False


def _is_pure(source: Source, name: str) -> bool:
    module, _ = source.project.definitions.split(name)
    if module is None or not module.name.count("."):
        return False
    return all(map(_HARMLESS.match, source.project.definitions.reached_from(module)))


RULE: Final = Rule(
    name="model-sends",
    doc=__doc__,
    mend="let the service that changes the row record what is to be sent",
    applies=in_layers("models", "managers"),
    find=_find,
)
