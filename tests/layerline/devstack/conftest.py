"""Projects of their own for the tests of the embedded stack; this project's `.dev` is never touched."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.layerline.devstack.support import Project, end_servers_below

# Spaces and letters beyond ASCII: where paths are quoted badly, every test fails.
_NAME = "a projéct"


@pytest.fixture(scope="session")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose services were started once and stopped, to be copied: initdb is what takes time."""
    root = tmp_path_factory.mktemp("template") / _NAME
    root.mkdir()
    Project(root).command("exec", "true")
    return root


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Project]:
    """A project that was never started."""
    root = tmp_path / _NAME
    root.mkdir()
    project = Project(root)
    yield project
    project.kill_all()
    end_servers_below(tmp_path)


@pytest.fixture
def project(empty: Project, initialised: Path) -> Project:
    """A project whose services were started before and are stopped now."""
    shutil.copytree(initialised / ".dev", empty.root / ".dev")
    return empty
