from pathlib import Path

import pytest

from tests.layerline.slices.support import copy_project


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the project to write into."""
    return copy_project(tmp_path / "project")
