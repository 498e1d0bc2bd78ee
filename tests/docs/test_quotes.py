"""Code that the documentation quotes is the code's own."""

import re
from typing import Final

import pytest

from layerline.flow.documents.code import file_with
from tests.docs.markdown import ROOT, Block, blocks, pages

_MARK: Final = re.compile(r"from (?P<module>\S+): (?P<symbol>\S+)")

QUOTES: Final = [block for page in pages() for block in blocks(page) if block.mark.startswith("from ")]


@pytest.mark.parametrize("quote", QUOTES, ids=lambda quote: quote.place)
def test_a_quote_stands_in_the_module_that_it_names(quote: Block) -> None:
    assert fault(quote) == ""


def test_there_are_quotes() -> None:
    assert len(QUOTES) > 10


@pytest.mark.parametrize(
    ("mark", "code"),
    [
        ("from apps/users/services: UserService.vanish", "class UserService:\n    @staticmethod\n"),
        ("from apps/users/nowhere: UserService", "class UserService:\n"),
        ("from apps/users/services: UserService", "class UserService:\n    def unwritten() -> None: ...\n"),
        ("from apps/users/selectors: UserSelector", "class SessionSelector:\n...\nclass UserSelector:\n"),
        ("from apps/users/selectors: UserSelector", "class SessionSelector:\n"),
    ],
)
def test_a_quote_that_is_none_is_found(mark: str, code: str) -> None:
    assert fault(Block(ROOT / "README.md", 1, mark, code, ""))


def fault(quote: Block) -> str:
    """Return what is wrong with a quote. A line `...` or `...,` in it stands for what was left out."""
    match = _MARK.fullmatch(quote.mark)
    if match is None:
        return f"{quote.mark!r} names no module and symbol"
    module, symbol = match["module"], match["symbol"]
    file = file_with(ROOT / module, symbol)
    if file is None:
        return f"{module} does not define {symbol}"
    if not re.search(rf"\b{symbol.rpartition('.')[2]}\b", quote.code):
        return f"the quote does not show {symbol}"
    source, at = _lines(file.read_text(encoding="utf-8")), 0
    for piece in _pieces(quote.code):
        found = _find(source, piece, at)
        if found is None:
            return f"{module} does not hold, in this place: " + " | ".join(piece)
        at = found + len(piece)
    return ""


def _pieces(code: str) -> list[list[str]]:
    pieces: list[list[str]] = [[]]
    for line in _lines(code):
        if line.strip() in {"...", "...,"}:
            pieces.append([])
        else:
            pieces[-1].append(line)
    return [piece for piece in pieces if piece]


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def _find(source: list[str], piece: list[str], start: int) -> int | None:
    places = range(start, len(source) - len(piece) + 1)
    return next((place for place in places if source[place : place + len(piece)] == piece), None)
