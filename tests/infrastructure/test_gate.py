import time
from collections import Counter
from collections.abc import Callable
from threading import Event, Lock

import pytest

from infrastructure.gate import Gate, GateFull
from tests.infrastructure.support import at_once


def _tries(gate: Gate, hold: Callable[[], object], **room: float) -> Callable[[int], bool]:
    """Return a call that enters and holds its place, and tells whether it could."""

    def enter(_: int) -> bool:
        try:
            with gate.entered(**room):  # type: ignore[arg-type]  # whole numbers among them
                hold()
        except GateFull:
            return False
        return True

    return enter


def test_no_more_are_inside_at_once_than_may_and_all_who_wait_get_their_turn() -> None:
    gate, lock = Gate(), Lock()
    inside: list[int] = []
    most = 0

    def hold() -> None:
        nonlocal most
        with lock:
            inside.append(1)
            most = max(most, len(inside))
        time.sleep(0.005)
        with lock:
            inside.pop()

    assert all(at_once(30, _tries(gate, hold, at_once=3, waiting=30, seconds=10)))
    assert most == 3


def test_beyond_those_who_may_wait_everybody_is_turned_away_at_once() -> None:
    gate, release = Gate(), Event()
    began = time.monotonic()

    def enter(number: int) -> tuple[bool, float]:
        entered = _tries(gate, release.wait, at_once=1, waiting=2, seconds=10)(number)
        if not entered and time.monotonic() - began < 5:
            refused.append(number)
            if len(refused) == 7:
                release.set()
        return entered, time.monotonic() - began

    refused: list[int] = []
    answers = at_once(10, enter)

    assert Counter(entered for entered, _ in answers) == {True: 3, False: 7}
    assert max(seconds for _, seconds in answers) < 5


def test_a_wait_ends_in_time() -> None:
    gate = Gate()
    with gate.entered(at_once=1, waiting=0, seconds=0):
        began = time.monotonic()
        with pytest.raises(GateFull), gate.entered(at_once=1, waiting=1, seconds=0.1):
            pass
        assert 0.1 <= time.monotonic() - began < 1


def test_a_place_is_free_again_after_an_error_inside() -> None:
    gate = Gate()
    for _ in range(3):
        with pytest.raises(LookupError), gate.entered(at_once=1, waiting=0, seconds=0):
            raise LookupError

    with gate.entered(at_once=1, waiting=0, seconds=0):
        pass


def test_whoever_waits_is_let_in_before_whoever_comes_later() -> None:
    gate, order = Gate(), list[int]()

    def enter(number: int) -> None:
        time.sleep(number * 0.05)
        with gate.entered(at_once=1, waiting=9, seconds=10):
            order.append(number)
            time.sleep(0.12)

    at_once(6, enter)

    assert order == list(range(6))
