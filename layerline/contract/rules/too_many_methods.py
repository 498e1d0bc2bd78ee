"""A service or selector has at most fifteen public methods.

The incident: a service class grew to a hundred and four methods. Every feature of the product touched it, and two teams
could not release on the same day.

BAD (apps/rooms/selectors.py):
    class RoomSelector:
        @staticmethod
        def a() -> None: ...
        @staticmethod
        def b() -> None: ...
        @staticmethod
        def c() -> None: ...
        @staticmethod
        def d() -> None: ...
        @staticmethod
        def e() -> None: ...
        @staticmethod
        def f() -> None: ...
        @staticmethod
        def g() -> None: ...
        @staticmethod
        def h() -> None: ...
        @staticmethod
        def i() -> None: ...
        @staticmethod
        def j() -> None: ...
        @staticmethod
        def k() -> None: ...
        @staticmethod
        def l() -> None: ...
        @staticmethod
        def m() -> None: ...
        @staticmethod
        def n() -> None: ...
        @staticmethod
        def o() -> None: ...
        @staticmethod
        def p() -> None: ...

GOOD (apps/rooms/selectors.py):
    class RoomSelector:
        @staticmethod
        def a() -> None: ...

    class MessageSelector:
        @staticmethod
        def b() -> None: ...
"""

from collections.abc import Iterator
from typing import Final

from layerline.contract.rule import Hit, Rule, Source, at, in_layers, is_namespace, public_methods

_MOST: Final = 15


def _find(source: Source) -> Iterator[Hit]:
    for node in source.classes():
        count = len(public_methods(node))
        if is_namespace(node) and count > _MOST:
            yield at(node, f"`{node.name}` has {count} public methods, more than {_MOST}")


RULE: Final = Rule(
    name="too-many-methods",
    doc=__doc__,
    mend="past fifteen methods a subject is two subjects: split the class by subject",
    applies=in_layers("services", "selectors"),
    find=_find,
)
