import asyncio

import pytest

from apps.chat.consumers import receipts
from apps.chat.consumers.receipts import Receipts
from apps.chat.exceptions import NotMemberError


class _Keeper:
    """Keeps numbers, until somebody is taken out of the room."""

    def __init__(self) -> None:
        self.kept: list[int] = []
        self.is_out = False

    async def __call__(self, seq: int) -> None:
        if self.is_out:
            raise NotMemberError
        self.kept.append(seq)


def test_whoever_is_no_member_is_told_so_at_once() -> None:
    async def scene() -> None:
        keeper = _Keeper()
        keeper.is_out = True
        noted = Receipts(keeper)
        with pytest.raises(NotMemberError):
            await noted.note(1)
        await noted.close()

    asyncio.run(scene())


def test_whoever_is_taken_out_meanwhile_leaves_nothing_and_no_fault() -> None:
    async def scene() -> list[int]:
        keeper = _Keeper()
        noted = Receipts(keeper)
        for seq in (1, 2):
            await noted.note(seq)
        keeper.is_out = True
        await asyncio.sleep(receipts.PAUSE + 0.1)
        await noted.note(3)
        await noted.close()
        return keeper.kept

    assert asyncio.run(scene()) == [1]


def test_after_a_pause_a_number_is_kept_at_once_again() -> None:
    async def scene() -> list[int]:
        keeper = _Keeper()
        noted = Receipts(keeper)
        await noted.note(1)
        await asyncio.sleep(2 * receipts.PAUSE + 0.2)
        await noted.note(2)
        kept = list(keeper.kept)
        await noted.close()
        return kept

    assert asyncio.run(scene()) == [1, 2]
