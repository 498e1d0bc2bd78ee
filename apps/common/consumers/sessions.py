"""Whether those who are signed in at the sockets of a process still are."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Protocol

from apps.common.consumers.rounds import Rounds
from apps.common.consumers.together import PerLoop, in_thread
from apps.common.exceptions import AuthenticationError
from apps.common.types import SignedIn, SocketDoor
from infrastructure import occupancy
from infrastructure.occupancy import Place
from infrastructure.redis import RedisUnavailable


class Socket(Protocol):
    """A socket, as far as its session is concerned."""

    @property
    def signed_in(self) -> SignedIn:
        """How whoever is signed in is."""

    @property
    def place(self) -> Place:
        """What it takes of those that its owner may have open."""

    def goes_on(self, signed_in: SignedIn) -> None:
        """Take note of how somebody is signed in now."""

    def is_over(self) -> None:
        """Take note that somebody is signed in no longer, or is already gone."""


class Doubts:
    """Hears of an account that may have changed."""

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look

    def heard(self, text: str) -> None:
        self._look()

    def interrupted(self) -> None:
        self._look()


async def _look(door: SocketDoor, sockets: Sequence[Socket]) -> None:
    asked = [(socket, socket.signed_in) for socket in sockets]
    outcomes = await in_thread(door.standing)([signed_in for _, signed_in in asked])
    for (socket, before), outcome in zip(asked, outcomes, strict=True):
        if socket.signed_in is not before:
            # By a newer token meanwhile.
            continue
        if isinstance(outcome, AuthenticationError):
            socket.is_over()
        else:
            socket.goes_on(outcome)
    with suppress(RedisUnavailable):
        await in_thread(occupancy.keep)([socket.place for socket in sockets])


def _rounds(key: tuple[SocketDoor, float]) -> Rounds[Socket]:
    door, seconds = key
    return Rounds(partial(_look, door), seconds)


# For each door, and each time between two looks, those who are signed in.
sessions: PerLoop[tuple[SocketDoor, float], Rounds[Socket]] = PerLoop(_rounds)
