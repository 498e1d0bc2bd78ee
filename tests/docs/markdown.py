"""The project's Markdown, taken apart: links, headings, tables, blocks of code with the mark above them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT: Final = Path(__file__).parents[2]
_IN_HTML: Final = re.compile(r'(?:href|src|srcset)="([^"]+)"')
_COMMENT: Final = re.compile(r"\s*<!-- (?P<text>.+?) -->\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block.

    Args:
        page: The file that it stands in.
        line: Where it begins, counted from 1.
        mark: The text of the comment right above it; nothing where there is none.
        code: What it holds.
        following: What the next block holds, if nothing but text stands between.
    """

    page: Path
    line: int
    mark: str
    code: str
    following: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Return every Markdown file of the project."""
    return sorted(
        path for path in ROOT.rglob("*.md") if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    )


def links(page: Path) -> Iterator[str]:
    """Yield where the links and pictures of a page lead."""
    for token in _inside(page):
        match token.type:
            case "link_open":
                yield str(token.attrs["href"])
            case "image":
                yield str(token.attrs["src"])
            case "html_inline" | "html_block":
                yield from _IN_HTML.findall(token.content)


def words_of_code(page: Path) -> Iterator[str]:
    """Yield what a page shows as code inside of its sentences."""
    return (token.content for token in _inside(page) if token.type == "code_inline")


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    tokens = _tokens(page)
    found: list[str] = []
    for token, inline in pairwise(tokens):
        if token.type == "heading_open":
            text = "".join(part.content for part in inline.children or ())
            slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            count = found.count(slug)
            found += [slug, f"{slug}-{count}"] if count else [slug]
    return frozenset(found)


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    tokens = [token for token in _tokens(page) if token.type in {"fence", "html_block"}]
    for number, token in enumerate(tokens):
        if token.type == "fence":
            before = _COMMENT.fullmatch(tokens[number - 1].content) if number else None
            after = next((later.content for later in tokens[number + 1 :] if later.type == "fence"), "")
            line = token.map[0] + 1 if token.map else 0
            yield Block(page, line, before["text"] if before else "", token.content, after)


def tables(page: Path) -> list[list[list[Token]]]:
    """Return the tables of a page, each as its rows of cells, the titles first."""
    found: list[list[list[Token]]] = []
    for token, inline in pairwise(_tokens(page)):
        match token.type:
            case "table_open":
                found.append([])
            case "tr_open":
                found[-1].append([])
            case "th_open" | "td_open":
                found[-1][-1].append(inline)
    return found


def sentences(page: Path) -> Iterator[str]:
    """Yield the text of each paragraph."""
    for token, inline in pairwise(_tokens(page)):
        if token.type == "paragraph_open":
            yield inline.content


@cache
def _tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))


def _inside(page: Path) -> Iterator[Token]:
    for token in _tokens(page):
        yield token
        yield from token.children or ()
