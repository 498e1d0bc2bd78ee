import pytest

from layerline.flow import instrument
from tests.layerline.flow.slices.shelf import selectors, services


@pytest.fixture(autouse=True)
def _shelf() -> None:
    """The slice is no installed app, so that nobody looks for its tables."""
    for module in (selectors, services):
        instrument.watch_module(module)
