import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio: what the client is made for."""
    return "asyncio"
