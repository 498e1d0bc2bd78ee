"""The guard as a pytest plugin: a test during which the layer contract is broken fails.

@pytest.mark.layers_off("reason")   lets one test break it, and says why
pytest --layers-off                 runs without the guard
"""

from collections.abc import Generator, Iterator
from typing import Final

import pytest

from layerline.flow import instrument
from layerline.flow.guard import Breach, Guard

_guard: Final = Guard()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--layers-off", action="store_true", help="Run without the guard of the layer contract.")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "layers_off(reason): this test may break the layer contract, for this reason")


@pytest.fixture(scope="session", autouse=True)
def _layer_guard(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.config.getoption("--layers-off"):
        yield
        return
    with instrument.installed(_guard):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    _guard.breaches.clear()
    for marker in item.iter_markers("layers_off"):
        if not (marker.args and str(marker.args[0]).strip()):
            pytest.fail("layers_off needs a reason: @pytest.mark.layers_off('why')", pytrace=False)
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    result = yield
    if _guard.breaches and item.get_closest_marker("layers_off") is None:
        pytest.fail(report(_guard.breaches), pytrace=False)
    return result


def report(breaches: list[Breach]) -> str:
    """Return each breach once, however often it happened."""
    return "The layer contract was broken.\n" + "\n".join(dict.fromkeys(map(str, breaches)))
