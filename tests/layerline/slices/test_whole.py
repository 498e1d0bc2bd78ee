"""Slices that nobody thought of go through every check untouched, and away again without a trace.

Others than these two are tried by `SLICE_SEEDS="0 1 2" make test ARGS="tests/layerline/slices/test_whole.py"`.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import pytest

from layerline.slices.names import plural, snake
from tests.layerline.slices.support import copy_project, random_slice, run, tree

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# One with sockets and with all else, one without some parts.
_SEEDS: Final = os.environ.get("SLICE_SEEDS", "3 10").split()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One copy for all seeds, in which the type checker remembers what it has seen."""
    return copy_project(tmp_path_factory.mktemp("whole") / "project")


def _own_database() -> str:
    """Return an address of a database whose test database no other run has."""
    address = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(address._replace(path=f"{address.path}_slice_{os.getpid()}"))


@pytest.mark.parametrize("seed", _SEEDS)
def test_what_was_written_passes_everything_and_goes_without_a_trace(project: Path, seed: str) -> None:
    before, arguments = tree(project), random_slice(int(seed))
    name, model = arguments[:2]
    chosen = f"{name} or api/v1/{plural(snake(model)).replace('_', '-')}/ or declare_every_route"

    started = run(project, "manage.py", "startslice", *arguments)
    assert started.returncode == 0, f"{arguments}\n{started.stderr}"
    checks = (
        ["-m", "mypy", f"apps/{name}"],
        ["-m", "pytest", "-q", "-k", chosen, "apps", "tests/test_routes.py"],
        ["-m", "layerline.contract"],
        ["manage.py", "makemigrations", "--check", "--dry-run"],
        ["manage.py", "spectacular", "--validate", "--fail-on-warn", "--file", os.devnull],
        ["-m", "ruff", "check", "apps", "config", "tests"],
        ["-m", "ruff", "format", "--check", "apps", "config", "tests"],
    )
    with ThreadPoolExecutor(max_workers=2) as pool:
        done = pool.map(lambda words: run(project, *words, DATABASE_URL=_own_database()), checks)
    for words, checked in zip(checks, done, strict=True):
        assert checked.returncode == 0, f"{arguments} {words}\n{checked.stdout}{checked.stderr}"

    destroyed = run(project, "manage.py", "destroyslice", name)
    assert destroyed.returncode == 0, destroyed.stderr
    assert tree(project) == before
