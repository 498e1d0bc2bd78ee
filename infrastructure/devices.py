"""What a person calls a device. The User-Agent header is a stranger's text: it is shown, and nothing relies on it."""

from functools import cache
from typing import Final

from ua_parser import Parser, load_lazy_builtins

_LENGTH: Final = 80
_UNKNOWN: Final = "Unknown device"


def device_name(user_agent: str) -> str:
    """Return a short name such as "Firefox on Windows", or how the header begins if nobody knows it."""
    program, system = _parser().parse_user_agent(user_agent), _parser().parse_os(user_agent)
    known = " on ".join(part.family for part in (program, system) if part)
    return (known or user_agent or _UNKNOWN)[:_LENGTH]


@cache
def _parser() -> Parser:
    # Lazily: most processes never show a device, and the expressions for all of them take a second to compile.
    return Parser.from_matchers(load_lazy_builtins())
