import shutil
from pathlib import Path

import pytest

from layerline.slices import generator
from tests.layerline.slices.support import SLICE, copy_project


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the project to write into."""
    return copy_project(tmp_path / "project")


@pytest.fixture(scope="session")
def _started(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = copy_project(tmp_path_factory.mktemp("slices") / "project")
    generator.start(SLICE, root)
    return root


@pytest.fixture
def started(_started: Path, tmp_path: Path) -> Path:
    """A copy of the project into which SLICE was written."""
    return Path(shutil.copytree(_started, tmp_path / "started"))
