"""What the documentation points at is there."""

import re
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import pytest

from tests.docs.markdown import ROOT, anchors, links, pages, words_of_code

# A path of the project as sentences name it; what is meant as an example has a placeholder in it, or another slice.
_PATH: Final = re.compile(r"(?:apps|config|docs|infrastructure|layerline|requirements|tests)/[\w./-]*\w/?")
_SLICES: Final = {path.name for path in (ROOT / "apps").iterdir() if path.is_dir()}

by_page = pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))


@by_page
def test_every_link_leads_to_a_file_and_a_heading_that_exist(page: Path) -> None:
    assert [link for link in links(page) if _fault(page, link)] == []


@by_page
def test_every_path_that_a_sentence_names_exists(page: Path) -> None:
    if page.name == "CHANGELOG.md":
        # It tells of what was, too.
        return
    assert [word for word in words_of_code(page) if _PATH.fullmatch(word) and not _exists(word)] == []


def test_a_heading_has_the_anchor_that_github_gives_it(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# The `make check` gate, again\n\n## Why?\n\n## Why?\n", encoding="utf-8")

    assert anchors(page) == {"the-make-check-gate-again", "why", "why-1"}


@pytest.mark.parametrize(
    "link", ["nowhere.md", "README.md#no-such-heading", "../outside.md", "#no-such-heading", "/README.md"]
)
def test_a_link_that_leads_nowhere_is_found(link: str) -> None:
    assert _fault(ROOT / "README.md", link)


def _fault(page: Path, link: str) -> bool:
    """Tell whether a link leads nowhere; what is outside of the project is not looked at."""
    address = urlsplit(link)
    if address.scheme or address.netloc:
        return False
    target = (page.parent / unquote(address.path)).resolve() if address.path else page
    if address.path.startswith("/") or not target.is_relative_to(ROOT) or not target.exists():
        return True
    return bool(address.fragment) and address.fragment not in (anchors(target) if target.suffix == ".md" else ())


def _exists(path: str) -> bool:
    top, _, rest = path.partition("/")
    if top == "apps" and rest.partition("/")[0].rstrip("/") not in _SLICES:
        return True
    # What every slice has is named without the slice.
    return (ROOT / path).exists() or any((ROOT / "apps" / name / path).exists() for name in _SLICES)
