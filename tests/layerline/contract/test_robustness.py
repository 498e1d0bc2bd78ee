import gc
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from layerline.contract.checker import check
from layerline.contract.findings import Finding, as_github, as_json, as_text
from tests.layerline.contract.support import PROJECT, findings_in, plant

_VIEWS = "apps/rooms/views.py"


def test_follows_values_through_long_expressions(tmp_path: Path) -> None:
    chain = "from apps.rooms.models import Room\n\nrooms = Room.objects" + ".all()" * 400
    assert [(finding.line, finding.rule) for finding in findings_in(tmp_path, {_VIEWS: chain})] == [(3, "orm-in-door")]


def test_follows_values_through_long_branches(tmp_path: Path) -> None:
    branches = "from os import sep as x\nif x == 0: y = 0\n" + "".join(
        f"elif x == {number}: y = {number}\n" for number in range(390)
    )
    assert findings_in(tmp_path, {_VIEWS: branches}) == []


def test_leaves_the_interpreter_as_it_was(tmp_path: Path) -> None:
    before = sys.getrecursionlimit(), gc.isenabled()
    assert findings_in(tmp_path, {}) == []
    assert (sys.getrecursionlimit(), gc.isenabled()) == before


@pytest.mark.parametrize(
    "source",
    [
        b"\xff\xfe\x00",
        b"# coding: latin-1\nname = '\xff\x00'",
        b"name = '\xe9'",
        b"(" * 5_000 + b")" * 5_000,
        b"x = " + b"-" * 20_000 + b"1",
        b"x = " + b"+".join([b"a.b()"] * 30_000),
        b"x" + b".f()" * 30_000,
        b"if x:\n" + b"".join(b" " * depth + b"if x:\n" for depth in range(1, 200)) + b" " * 200 + b"pass",
        b"def f(:\n",
        b"\tx = 1\n  y = 2\n",
    ],
    ids=range(10),
)
def test_what_cannot_be_read_is_one_finding(tmp_path: Path, source: bytes) -> None:
    plant(tmp_path, PROJECT)
    (tmp_path / _VIEWS).write_bytes(source)
    assert [(finding.path, finding.rule) for finding in check(tmp_path)] == [(_VIEWS, "syntax-error")]


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"\xef\xbb\xbfname = 1\r\nother = 2\r",
        b"# coding: latin-1\nname = '\xe9'\n",
        b"# -*- coding: cp1252 -*-\nname = '\x80'\n",
        b"\x0cname = 1\n",
        b"name = 1  # \xe2\x80\xa8 no line\n",
    ],
    ids=range(6),
)
def test_odd_encodings_and_line_ends_are_read(tmp_path: Path, source: bytes) -> None:
    plant(tmp_path, PROJECT)
    (tmp_path / _VIEWS).write_bytes(source)
    assert check(tmp_path) == []


def test_a_link_to_nowhere_is_a_finding(tmp_path: Path) -> None:
    plant(tmp_path, PROJECT)
    (tmp_path / _VIEWS).symlink_to(tmp_path / "gone.py")
    assert [(finding.path, finding.rule) for finding in check(tmp_path)] == [(_VIEWS, "syntax-error")]


@pytest.mark.parametrize("kind", ["pipe", "device", "loop"])
def test_what_would_never_end_is_a_finding(tmp_path: Path, kind: str) -> None:
    plant(tmp_path, PROJECT)
    (tmp_path / _VIEWS).unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(tmp_path / _VIEWS)
    else:
        (tmp_path / _VIEWS).symlink_to("/dev/zero" if kind == "device" else tmp_path / _VIEWS)
    assert [(finding.path, finding.rule) for finding in check(tmp_path)] == [(_VIEWS, "syntax-error")]


def test_links_between_folders_are_not_followed(tmp_path: Path) -> None:
    plant(tmp_path, PROJECT)
    (tmp_path / "apps" / "rooms" / "again").symlink_to(tmp_path / "apps")
    assert check(tmp_path) == []


@pytest.mark.parametrize("write", [as_text, as_json, as_github])
def test_a_file_name_that_is_no_text_is_written_on_one_line(
    tmp_path: Path, write: Callable[[Sequence[Finding]], str]
) -> None:
    plant(tmp_path, PROJECT)
    for name in (b"n\xff", b"new\nline"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/apps/rooms/" + name + b".py")).write_text("print(1)\n")

    written = write(check(tmp_path))

    assert written.encode().count(b"print-in-slice") == 2
    assert "new\nline" not in written


def test_modules_that_need_each_other_are_followed(tmp_path: Path) -> None:
    files = {
        "apps/rooms/selectors.py": """
            from apps.rooms import views

            def _rows():
                return views.rows()
        """,
        "apps/rooms/views.py": """
            from apps.rooms import selectors

            def rows():
                return selectors._rows()

            class Ring(Ring2):
                pass

            class Ring2(Ring):
                name = Ring.name
        """,
    }
    assert findings_in(tmp_path, files) == []
