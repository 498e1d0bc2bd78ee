"""What goes out over sockets, made once however many it goes to."""

from functools import lru_cache
from typing import Final

# The first byte of a frame that is a whole text message, and of a server's frame no mask (RFC 6455, section 5.2).
_FIN_TEXT: Final = 0x81
_SHORT, _MEDIUM = 125, 0xFFFF
# Those that go out at this moment. More would only be kept for nobody.
_KEPT: Final = 16


class Prepared:
    """A text, and the bytes of the WebSocket frame that carries it."""

    __slots__ = ("frame", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.frame = _text_frame(text.encode())


@lru_cache(maxsize=_KEPT)
def prepared(text: str) -> Prepared:
    """Return the one Prepared of a text, for those who are each given the text by itself."""
    return Prepared(text)


def _text_frame(payload: bytes) -> bytes:
    size = len(payload)
    if size <= _SHORT:
        head = bytes((_FIN_TEXT, size))
    elif size <= _MEDIUM:
        head = bytes((_FIN_TEXT, 126)) + size.to_bytes(2)
    else:
        head = bytes((_FIN_TEXT, 127)) + size.to_bytes(8)
    return head + payload
