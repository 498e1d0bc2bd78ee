"""The Makefile: what it lists, and what it passes on."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).resolve().parents[2]
_PYTHON = """#!/bin/sh
case "$*" in *--ready*) exit ${NOT_READY:-0} ;; esac
exec python3 -c '
import json, os, sys
print(json.dumps([sys.argv[1:], os.environ.get("PORT"), os.environ.get("FORCE")]))
' "$@"
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with the Makefile, and a Python that only says what it was asked."""
    root = tmp_path / "a projéct"
    (root / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(_REPOSITORY / "Makefile", root)
    python = root / ".venv" / "bin" / "python"
    python.write_text(_PYTHON, encoding="utf-8")
    python.chmod(0o755)
    return root


def make(root: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {"PORT", "FORCE", "PYTHON", "ARGS", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    inherited = {name: value for name, value in os.environ.items() if name not in own}
    return subprocess.run(
        ["make", *arguments],
        check=False,
        cwd=root,
        env={**inherited, **environment},
        capture_output=True,
        encoding="utf-8",
    )


def asked(root: Path, *arguments: str, **environment: str) -> list[str]:
    done = make(root, *arguments, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    words: list[str] = json.loads(done.stdout)[0]
    return words


def test_make_alone_lists_every_command(copy: Path) -> None:
    done = make(copy)

    listed = {line.split()[1] for line in done.stdout.splitlines()}
    targets = {
        line.split(":")[0] for line in (copy / "Makefile").read_text().splitlines() if ": ##" in line or ":  ##" in line
    }
    assert done.returncode == 0
    assert listed == targets
    assert listed >= {"run", "test", "check", "manage", "stop", "reset", "coverage", "requirements", "format"}


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("createsuperuser", ["createsuperuser"]),
        ("shell -c 'print(\"a b\", 1); print(2)'", ["shell", "-c", 'print("a b", 1); print(2)']),
        ("one\\ word 'it'\"'\"'s'", ["one word", "it's"]),
        ("cost '5$' 'a$(HOME)b' \"#no comment\"", ["cost", "5$", "a$(HOME)b", "#no comment"]),
        ('"$GREETING"', ["hello you"]),
        ("'*'", ["*"]),
        ("", []),
    ],
)
def test_arguments_are_what_a_shell_makes_of_them(copy: Path, typed: str, words: list[str]) -> None:
    expected = ["-m", "layerline.devstack", "manage", *words]

    assert asked(copy, "manage", f"ARGS={typed}", GREETING="hello you") == expected
    assert asked(copy, "manage", ARGS=typed, GREETING="hello you") == expected


def test_variables_reach_the_command_from_either_side(copy: Path) -> None:
    assert json.loads(make(copy, "run", "PORT=8001").stdout) == [["-m", "layerline.devstack", "run"], "8001", None]
    assert json.loads(make(copy, "reset", FORCE="1").stdout) == [["-m", "layerline.devstack", "reset"], None, "1"]


def test_test_passes_its_choice_on(copy: Path) -> None:
    assert asked(copy, "test", "ARGS=apps/users -k login") == [
        "-m",
        "layerline.devstack",
        "test",
        "apps/users",
        "-k",
        "login",
    ]


def test_the_exit_code_is_a_failure_where_the_command_failed(copy: Path) -> None:
    python = copy / ".venv" / "bin" / "python"
    python.write_text('#!/bin/sh\ncase "$*" in *--ready*) exit 0 ;; esac\nexit 7\n', encoding="utf-8")

    assert make(copy, "test").returncode == 2


def test_without_any_python_it_says_what_is_needed(copy: Path, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("make", "sh"):
        (tools / name).symlink_to(str(shutil.which(name)))

    done = make(copy, "run", PATH=str(tools), NOT_READY="1")

    assert done.returncode == 2
    assert done.stderr.startswith("error: This project needs Python 3.12 or 3.13, and no Python was found.")


def test_an_environment_that_is_not_ready_is_made_first(copy: Path) -> None:
    package = copy / "layerline"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "bootstrap.py").write_text("import sys\nprint('made by', sys.version_info[0])\n", encoding="utf-8")

    done = make(copy, "stop", NOT_READY="1")

    assert done.stdout.splitlines()[0] == "made by 3"
    assert json.loads(done.stdout.splitlines()[1])[0] == ["-m", "layerline.devstack", "stop"]
