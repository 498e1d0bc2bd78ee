from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import boto3
import pytest
from django.core.files.storage import storages
from freezegun import freeze_time
from moto.server import ThreadedMotoServer
from pytest_django import Settings

from config import env
from infrastructure.storage import ADDRESS_SECONDS, FileNotThereError, FileStore, StorageUnavailable
from tests.infrastructure.queue.servers import free_port

KEY = "avatars/0199f0c2/1.webp"


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
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


def use(setting: dict[str, Any], settings: Settings) -> None:
    settings.STORAGES = {**settings.STORAGES, "default": setting}


@pytest.fixture(params=["disk", "bucket"])
def store(request: pytest.FixtureRequest, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Where files are kept: each test is run for both."""
    if request.param == "disk":
        monkeypatch.setenv("STORAGE_URL", f"file://{tmp_path / 'with space' / 'files'}".replace(" ", "%20"))
    else:
        use_bucket(request.getfixturevalue("bucket"), monkeypatch)
    use(env.storage("STORAGE_URL", tmp_path), settings)
    return str(request.param)


def use_bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_URL", "s3://files/of/tests")
    for name, value in {"S3_ENDPOINT": endpoint, "S3_KEY": "key", "S3_SECRET": "secret"}.items():
        monkeypatch.setenv(name, value)


def test_what_was_saved_is_read_until_it_is_deleted(store: str) -> None:
    FileStore.save(key=KEY, content=b"\x00picture\xff")
    assert FileStore.read(key=KEY) == b"\x00picture\xff"

    FileStore.delete(key=KEY)
    FileStore.delete(key=KEY)
    with pytest.raises(FileNotThereError):
        FileStore.read(key=KEY)


def test_no_file_is_written_over(store: str) -> None:
    FileStore.save(key=KEY, content=b"first")

    with pytest.raises(ValueError, match="second file"):
        FileStore.save(key=KEY, content=b"second")

    assert FileStore.read(key=KEY) == b"first"
    FileStore.delete(key=KEY)


def test_a_file_that_no_row_names_is_an_orphan_after_an_hour(store: str) -> None:
    FileStore.save(key=KEY, content=b"x")

    (file,) = FileStore.listing(folder="avatars", after="", limit=10)
    assert not file.is_named_by_now()
    # The storages tell the time of writing by a clock that is not frozen.
    with freeze_time(datetime.now(UTC) + timedelta(hours=1, minutes=1)):
        assert file.is_named_by_now()
    FileStore.delete(key=KEY)


def test_files_are_listed_in_the_order_of_their_keys_a_page_at_a_time(store: str) -> None:
    keys = [f"avatars/{name}" for name in ("a/1.webp", "a/2.webp", "a.webp", "a-b/1.webp", "b/c/1.webp", "z.webp")]
    for key in [*keys, "other/1.webp", "avatars.webp"]:
        FileStore.save(key=key, content=b"x")

    pages, after = [], ""
    while page := FileStore.listing(folder="avatars", after=after, limit=2):
        pages.append([file.key for file in page])
        after = pages[-1][-1]

    assert pages == [sorted(keys)[start : start + 2] for start in (0, 2, 4)]
    for key in [*keys, "other/1.webp", "avatars.webp"]:
        FileStore.delete(key=key)


def test_a_folder_that_is_not_there_holds_nothing(store: str) -> None:
    assert FileStore.listing(folder="nowhere", after="", limit=10) == []


def test_the_application_hands_out_what_lies_on_its_disk(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_URL", f"file://{tmp_path}")
    use(env.storage("STORAGE_URL", tmp_path), settings)
    FileStore.save(key=KEY, content=b"x")

    assert FileStore.address(key=KEY) is None
    assert (tmp_path / KEY).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "avatars").stat().st_mode & 0o777 == 0o700


def test_a_file_in_a_bucket_has_a_signed_address_that_expires(
    bucket: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_bucket(bucket, monkeypatch)
    use(env.storage("STORAGE_URL", tmp_path), settings)
    FileStore.save(key=KEY, content=b"picture")

    address = FileStore.address(key=KEY)

    assert address is not None
    parts = urlsplit(address)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{bucket}/files/of/tests/{KEY}"
    assert parse_qs(parts.query)["X-Amz-Expires"] == [str(ADDRESS_SECONDS)]
    assert len(parse_qs(parts.query)["X-Amz-Signature"][0]) == 64
    with urlopen(address) as answer:
        assert answer.read() == b"picture"
    FileStore.delete(key=KEY)


def test_a_disk_that_takes_nothing_is_unavailable_and_its_place_is_not_told(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A file where a folder should be is as good as no room: the tests run as root, whom no permission stops.
    (tmp_path / "avatars").write_bytes(b"")
    monkeypatch.setenv("STORAGE_URL", f"file://{tmp_path}")
    use(env.storage("STORAGE_URL", tmp_path), settings)

    with pytest.raises(StorageUnavailable) as refused:
        FileStore.save(key=KEY, content=b"x")

    assert isinstance(refused.value.__cause__, OSError)
    assert str(tmp_path) not in str(refused.value)


def test_a_bucket_that_does_not_answer_is_unavailable_within_five_seconds(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_bucket(f"http://127.0.0.1:{free_port()}", monkeypatch)
    use(env.storage("STORAGE_URL", tmp_path), settings)
    started = datetime.now(UTC)

    for call in (
        lambda: FileStore.save(key=KEY, content=b"x"),
        lambda: FileStore.read(key=KEY),
        lambda: FileStore.delete(key=KEY),
        lambda: FileStore.listing(folder="avatars", after="", limit=10),
    ):
        with pytest.raises(StorageUnavailable):
            call()

    assert datetime.now(UTC) - started < timedelta(seconds=20)
    assert "default" in storages.backends
