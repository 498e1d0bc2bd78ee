"""What docs/security.md promises has a test, and the test is there."""

import re
from pathlib import Path
from typing import Final

import pytest

from tests.docs.markdown import ROOT, sentences, tables, words_of_code

PAGE: Final = ROOT / "docs" / "security.md"
_TITLES: Final = ["promise", "test"]
_TEST: Final = re.compile(r"test_\w+")
_DEFINED: Final = re.compile(r"^ *(?:async )?def (test_\w+)\(", re.MULTILINE)


def _promises(page: Path) -> list[tuple[str, list[str]]]:
    """Return each promise of a page with the names of the tests that stand beside it."""
    rows = [row for table in tables(page) if [cell.content for cell in table[0]] == _TITLES for row in table[1:]]
    return [
        (promise.content, [word.content for word in tests.children or () if _TEST.fullmatch(word.content)])
        for promise, tests in rows
    ]


def _defined() -> set[str]:
    """Return the names of all tests that there are."""
    files = (path for folder in ("apps", "infrastructure", "layerline", "tests") for path in _tests_in(ROOT / folder))
    return {name for file in files for name in _DEFINED.findall(file.read_text(encoding="utf-8"))}


def _tests_in(folder: Path) -> list[Path]:
    return list(folder.rglob("test_*.py"))


def _faults(page: Path) -> list[str]:
    """Return what is wrong with the promises of a page."""
    promises, defined = _promises(page), _defined()
    texts = [text for text, _ in promises]
    return [
        *(f"no test: {text}" for text, tests in promises if not tests),
        *(f"twice: {text}" for text in sorted({text for text in texts if texts.count(text) > 1})),
        *(f"no such test: {word}" for word in words_of_code(page) if _TEST.fullmatch(word) and word not in defined),
        *(f"outside of its table: {text}" for text in sentences(page) if text.startswith("|")),
    ]


def test_every_promise_has_a_test_that_is_there() -> None:
    assert _faults(PAGE) == []
    assert len(_promises(PAGE)) > 100


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("| a promise | |", "no test: a promise"),
        ("| a promise | by design |", "no test: a promise"),
        ("| a promise | `test_nowhere` |", "no such test: test_nowhere"),
        ("| kept | `test_every_promise_has_a_test_that_is_there` |", "twice: kept"),
        ("\n| lost | `test_every_promise_has_a_test_that_is_there` |", "outside of its table: | lost |"),
    ],
)
def test_a_promise_that_is_not_kept_is_found(tmp_path: Path, row: str, fault: str) -> None:
    page = tmp_path / "page.md"
    kept = "| kept | `test_every_promise_has_a_test_that_is_there` |"
    page.write_text(f"| promise | test |\n|---|---|\n{kept}\n{row}\n", encoding="utf-8")

    (found,) = _faults(page)
    assert found.startswith(fault)
