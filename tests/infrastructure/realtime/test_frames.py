import pytest
from websockets.frames import Frame, Opcode

from infrastructure.realtime.frames import Prepared, prepared


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 300_000])
def test_a_frame_is_what_a_websocket_library_makes_of_the_text(size: int) -> None:
    assert Prepared("x" * size).frame == Frame(Opcode.TEXT, b"x" * size).serialize(mask=False)


def test_the_size_of_a_frame_is_counted_in_bytes_and_not_in_characters() -> None:
    text = "é" * 63

    assert Prepared(text).frame == Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


def test_those_who_are_told_the_same_text_share_its_bytes() -> None:
    assert prepared("the same text") is prepared("the same" + " text")
