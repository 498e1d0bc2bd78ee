"""SQL statements as texts: what kind they are, what shape they have, how they are shown."""

import re
from functools import lru_cache
from typing import Final

_WRITE: Final = re.compile(
    r"\s*(?:INSERT|UPDATE|DELETE|MERGE|TRUNCATE|CREATE|ALTER|DROP|COPY)\b"
    r"|\s*WITH\b.*\b(?:INSERT\s+INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM)\b",
    re.IGNORECASE | re.DOTALL,
)
_CONTROL: Final = re.compile(r"\s*(?:SAVEPOINT|RELEASE|ROLLBACK|BEGIN|COMMIT|SET)\b", re.IGNORECASE)
_TEXT: Final = re.compile(r"'(?:[^']|'')*'")
_NUMBER: Final = re.compile(r"(?<![\w\"])\d+(?![\w\"])")
_LIST: Final = re.compile(r"\((?:\s*%s\s*,)*\s*%s\s*\)(?:\s*,\s*\((?:\s*%s\s*,)*\s*%s\s*\))*")
_SELECTED: Final = re.compile(r"^(SELECT(?: DISTINCT)?) .+? (FROM )(?!.*\bSELECT\b.*\1)", re.DOTALL)
_SAVEPOINT_NAME: Final = re.compile(r'"s\d+_x\d+"')
_SHOWN: Final = 160


@lru_cache(maxsize=4_096)
def is_write(sql: str) -> bool:
    return _WRITE.match(sql) is not None


@lru_cache(maxsize=4_096)
def is_control(sql: str) -> bool:
    """Tell whether the statement steers the transaction and touches no row."""
    return _CONTROL.match(sql) is not None


@lru_cache(maxsize=4_096)
def shape(sql: str) -> str:
    """Return what is the same in statements that differ in their values alone."""
    return _LIST.sub("(…)", _NUMBER.sub("?", _TEXT.sub("?", sql)))


@lru_cache(maxsize=4_096)
def shortened(sql: str) -> str:
    """Return a statement for the eye, on one line: no values, which may be secret, and no list of columns."""
    text = " ".join(_TEXT.sub("'…'", _SAVEPOINT_NAME.sub("", sql)).split()).strip()
    text = _SELECTED.sub(r"\1 … \2", _LIST.sub("(…)", text)).replace('"', "")
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
