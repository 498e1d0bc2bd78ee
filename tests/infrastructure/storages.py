"""Where files are kept in tests that are about it: on a disk, and in a bucket of a server that speaks S3.

A module that imports the two fixtures has them as `bucket` and `store`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from pytest_django import Settings

from config import env
from infrastructure.storage import FileStore
from tests.infrastructure.queue.servers import free_port


@pytest.fixture(name="bucket", scope="module")
def bucket_fixture() -> Iterator[str]:
    """The address of a server that speaks S3 and has one bucket."""
    port = free_port()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    endpoint = f"http://127.0.0.1:{port}"
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret"
    )
    client.create_bucket(Bucket="files")
    yield endpoint
    server.stop()


@pytest.fixture(name="store", params=["disk", "bucket"])
def store_fixture(
    request: pytest.FixtureRequest, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[str]:
    """Where files are kept: each test is run for both."""
    if request.param == "disk":
        use_disk(tmp_path / "with space" / "files", settings, monkeypatch)
    else:
        use_bucket(request.getfixturevalue("bucket"), settings, monkeypatch)
    storages = settings.STORAGES
    yield str(request.param)
    settings.STORAGES = storages
    for key in stored():
        FileStore.delete(key=key)


def use_disk(folder: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_URL", f"file://{folder}".replace(" ", "%20"))
    _use(settings)


def use_bucket(
    endpoint: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, *, name: str = "files/of/tests"
) -> None:
    monkeypatch.setenv("STORAGE_URL", f"s3://{name}")
    for variable, value in {"S3_ENDPOINT": endpoint, "S3_KEY": "key", "S3_SECRET": "secret"}.items():
        monkeypatch.setenv(variable, value)
    _use(settings)


def _use(settings: Any) -> None:
    settings.STORAGES = {**settings.STORAGES, "default": env.storage("STORAGE_URL", Path("/nowhere"))}


def stored() -> list[str]:
    """Return the key of every file."""
    return [file.key for file in FileStore.listing(folder="avatars", after="", limit=10_000)]
