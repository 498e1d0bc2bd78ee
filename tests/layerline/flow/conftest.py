import pytest
from pytest_django import Settings

from layerline.flow import instrument
from tests.layerline.flow.slices.shelf import selectors, services


@pytest.fixture(autouse=True)
def _shelf(settings: Settings) -> None:
    """The slice is no installed app, so that nobody looks for its tables."""
    settings.ASGI_APPLICATION = "tests.layerline.flow.slices.shelf.asgi.application"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    for module in (selectors, services):
        instrument.watch_module(module)
