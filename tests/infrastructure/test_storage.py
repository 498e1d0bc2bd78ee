import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest
from django.core.files.storage import storages
from freezegun import freeze_time
from pytest_django import Settings

from infrastructure.storage import ADDRESS_SECONDS, FileNotThereError, FileStore, StorageUnavailable
from tests.infrastructure.queue.servers import free_port
from tests.infrastructure.storages import (
    bucket_fixture,  # noqa: F401  # pytest finds it here
    store_fixture,  # noqa: F401  # as above
    stored,
    use_bucket,
    use_disk,
)
from tests.infrastructure.support import limited_file_size

KEY = "avatars/0199f0c2/1.webp"


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


def test_files_are_listed_in_the_order_of_their_keys_a_page_at_a_time(store: str) -> None:
    keys = [f"avatars/{name}" for name in ("a/1.webp", "a/2.webp", "a.webp", "a-b/1.webp", "b/c/1.webp", "z.webp")]
    for key in [*keys, "other/1.webp", "avatars.webp"]:
        FileStore.save(key=key, content=b"x")

    pages, after = [], ""
    while page := FileStore.listing(folder="avatars", after=after, limit=2):
        pages.append([file.key for file in page])
        after = pages[-1][-1]

    assert pages == [sorted(keys)[start : start + 2] for start in (0, 2, 4)]
    for key in ("other/1.webp", "avatars.webp"):
        FileStore.delete(key=key)


def test_a_folder_that_is_not_there_holds_nothing(store: str) -> None:
    assert FileStore.listing(folder="nowhere", after="", limit=10) == []


def test_the_application_hands_out_what_lies_on_its_disk(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_disk(tmp_path, settings, monkeypatch)
    FileStore.save(key=KEY, content=b"x")

    assert FileStore.address(key=KEY) is None
    assert (tmp_path / KEY).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "avatars").stat().st_mode & 0o777 == 0o700


def test_a_file_in_a_bucket_has_a_signed_address_that_expires(
    bucket: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_bucket(bucket, settings, monkeypatch)
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
    use_disk(tmp_path, settings, monkeypatch)

    with pytest.raises(StorageUnavailable) as refused:
        FileStore.save(key=KEY, content=b"x")

    assert isinstance(refused.value.__cause__, OSError)
    assert str(tmp_path) not in str(refused.value)


def test_what_a_disk_took_before_it_was_full_is_taken_away_again(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_disk(tmp_path, settings, monkeypatch)

    with limited_file_size(50_000), pytest.raises(StorageUnavailable):
        FileStore.save(key=KEY, content=bytes(200_000))

    assert stored() == []
    FileStore.save(key=KEY, content=b"x")
    assert FileStore.read(key=KEY) == b"x"


def test_a_bucket_that_is_silent_is_unavailable_within_five_seconds(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        use_bucket(f"http://127.0.0.1:{server.getsockname()[1]}", settings, monkeypatch)
        started = time.monotonic()
        with pytest.raises(StorageUnavailable):
            FileStore.save(key=KEY, content=b"x")

    assert time.monotonic() - started < 5


def test_a_bucket_that_does_not_answer_is_unavailable_within_five_seconds(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_bucket(f"http://127.0.0.1:{free_port()}", settings, monkeypatch)
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
