"""Attributes that are replaced for a while, and put back as they were."""

from typing import Any, Final

_MISSING: Final = object()


class Patches:
    def __init__(self) -> None:
        self._made: list[tuple[Any, str, Any]] = []

    def __len__(self) -> int:
        return len(self._made)

    def put(self, owner: Any, name: str, value: Any) -> None:
        """Replace an attribute that the owner itself may or may not have; inherited ones stay where they are."""
        self._made.append((owner, name, vars(owner).get(name, _MISSING)))
        setattr(owner, name, value)

    def undo(self) -> None:
        while self._made:
            owner, name, original = self._made.pop()
            if original is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, original)
