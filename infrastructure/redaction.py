"""What neither a log nor an error report may show: told by its name, by its form, or by having been sent just now."""

import re
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache
from itertools import islice
from typing import Any, Final

HIDDEN: Final = "<hidden>"

_SECRET_NAMES: Final = frozenset(
    {"access", "code", "codes", "current", "key", "keys", "new", "refresh", "sessionid", "ticket", "to"}
)
_SECRET_PARTS: Final = re.compile(
    r"api_?key|authorization|cookie|credential|csrf|dsn|email|encryption_key|otpauth|passphrase|passw|phone|private_key"
    r"|recovery|secret|token|totp"
)
_OPEN_NAMES: Final = frozenset({"token_type"})

# What only a text can hold that has something to hide. Nearly none of a log has, and looking for it is cheap.
_SIGNS: Final = ("@", "=", "+", "eyJ", "earer ", "':", '":')
# `'password': 'x'`, `"password": "x"` and `password=x`: the repr of a body, a body, a query string.
_PAIR: Final = re.compile(r"""(["'])([\w-]+)\1(\s*:\s*)(["'])(?:\\.|(?!\4).)*\4""", re.DOTALL)
_ASSIGNMENT: Final = re.compile(r"""(?<![\w-])([A-Za-z_][\w-]*)=[^\s&"',;)]+""")
# The order counts: what stands before the host of a server's address looks like one of mail.
_FORMS: Final = (
    (re.compile(r"""(?<=://)[^/\s:@"']*:[^/\s@"']+(?=@)"""), HIDDEN),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), "<token>"),
    (re.compile(r"(?<=earer )[\w.~+/=-]{8,}"), "<token>"),
    (re.compile(r"""<?[^\s<>()\[\]"',;:=/@\\]+@[^\s<>()\[\]"',;:=/@\\]+>?"""), "<address>"),
    # ITU-T E.164.
    (re.compile(r"(?<![\w.+-])\+[1-9][0-9]{6,14}(?![0-9])"), "<phone>"),
)

_PLAIN: Final = frozenset({int, float, bool, type(None)})

# Shorter ones would be found in the middle of anything.
_SHORTEST: Final = 6
# A body of a mebibyte holds a hundred thousand names; no form of ours has as many as this.
_NAMES_READ: Final = 100
_DEPTH_READ: Final = 3
# The longest first: one may be the beginning of another.
_sent: ContextVar[tuple[str, ...]] = ContextVar("sent", default=())


@lru_cache(maxsize=1_024)
def is_secret(name: str) -> bool:
    """Tell whether what bears the name is to be hidden: a password, a token, a key, a code, an address, a phone."""
    plain = name.lower().replace("-", "_")
    return plain not in _OPEN_NAMES and (plain in _SECRET_NAMES or _SECRET_PARTS.search(plain) is not None)


def remember(body: object) -> None:
    """Hide, in all that is shown of the work in hand, what was sent under a secret's name.

    The text of an exception may repeat it, and has no name for it.
    """
    sent = {*_sent.get(), *_secrets_of(body, _DEPTH_READ)}
    _sent.set(tuple(sorted(sent, key=len, reverse=True)))


def forget() -> None:
    """Begin anew, with the next request."""
    _sent.set(())


def text(shown: str) -> str:
    """Return a text without what its form gives away, and without what was sent just now."""
    for secret in _sent.get():
        shown = shown.replace(secret, HIDDEN)
    if not _has_a_sign(shown):
        return shown
    shown = _PAIR.sub(_masked_pair, shown)
    shown = _ASSIGNMENT.sub(_masked_assignment, shown)
    for form, stand_in in _FORMS:
        shown = form.sub(stand_in, shown)
    return shown


def _has_a_sign(shown: str) -> bool:
    # For each string of each line: `any` and a regular expression take three times as long.
    for sign in _SIGNS:  # noqa: SIM110
        if sign in shown:
            return True
    return False


def masked(shown: Any) -> Any:
    """Return a value without what its names, its forms or the last request say is secret; whatever is no text stays."""
    match shown:
        case str():
            return text(shown)
        case dict():
            return {name: _masked_value(name, value) for name, value in shown.items()}
        case list() | tuple():
            return [masked(item) for item in shown]
    return shown


def _masked_value(name: object, value: Any) -> Any:
    if isinstance(name, str) and is_secret(name) and value is not None and not isinstance(value, bool):
        return HIDDEN
    # Nearly all are one of these, and each line has a dozen.
    if type(value) is str:
        return text(value)
    return value if type(value) in _PLAIN else masked(value)


def _masked_pair(found: re.Match[str]) -> str:
    quote, name, colon, mark = found.groups()
    return f"{quote}{name}{quote}{colon}{mark}{HIDDEN}{mark}" if is_secret(name) else found[0]


def _masked_assignment(found: re.Match[str]) -> str:
    return f"{found[1]}={HIDDEN}" if is_secret(found[1]) else found[0]


def _secrets_of(body: object, depth: int) -> Iterator[str]:
    if not isinstance(body, Mapping) or not depth:
        return
    for name, value in islice(body.items(), _NAMES_READ):
        if isinstance(value, str) and len(value) >= _SHORTEST and is_secret(str(name)):
            yield value
        else:
            yield from _secrets_of(value, depth - 1)
