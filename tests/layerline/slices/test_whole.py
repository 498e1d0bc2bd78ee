"""A slice that nobody thought of goes through every check untouched, and away again without a trace."""

import os
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.layerline.slices.support import copy_project, random_slice, run, tree

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

_CONTRACT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def _own_database() -> str:
    """Return an address of a database whose test database no other run has."""
    address = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(address._replace(path=f"{address.path}_slice_{os.getpid()}"))


@pytest.mark.parametrize("seed", [20])
def test_what_was_written_passes_everything_and_goes_without_a_trace(tmp_path: Path, seed: int) -> None:
    root = copy_project(tmp_path / "project")
    before, arguments = tree(root), random_slice(seed)
    name = arguments[0]

    started = run(root, "manage.py", "startslice", *arguments)
    assert started.returncode == 0, started.stderr
    for words in (
        ["-m", "ruff", "check", "apps", "config", "tests"],
        ["-m", "ruff", "format", "--check", "apps", "config", "tests"],
        ["-c", _CONTRACT],
        ["-m", "mypy", f"apps/{name}"],
        ["manage.py", "makemigrations", "--check", "--dry-run"],
        ["manage.py", "spectacular", "--validate", "--fail-on-warn", "--file", os.devnull],
    ):
        checked = run(root, *words)
        assert checked.returncode == 0, f"{arguments} {words}\n{checked.stdout}{checked.stderr}"
    tested = run(root, "-m", "pytest", "-q", f"apps/{name}", "tests/test_routes.py", DATABASE_URL=_own_database())
    assert tested.returncode == 0, f"{arguments}\n{tested.stdout}"

    destroyed = run(root, "manage.py", "destroyslice", name)
    assert destroyed.returncode == 0, destroyed.stderr
    assert tree(root) == before
