"""What an attacker sends as a picture, to a disk and to a bucket: refused or made anew, and nothing else of it kept."""

import struct
import time
import zlib
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from PIL import Image
from pytest_django import Settings

from apps.common.enums import Role
from apps.users.models import User
from apps.users.tests.pictures import png, upload
from apps.users.tests.support import problem, run_jobs, wrong_fields
from infrastructure.queue.models import OutboxRow
from infrastructure.storage import FileStore
from tests.infrastructure.queue.servers import free_port
from tests.infrastructure.storages import (
    bucket_fixture,  # noqa: F401  # pytest finds it here
    store_fixture,  # noqa: F401  # as above
    stored,
    use_bucket,
    use_disk,
)
from tests.infrastructure.support import limited_file_size

if TYPE_CHECKING:
    from conftest import AuthenticatedClient

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("store")]

MINE: Final = "/api/v1/auth/me/avatar/"

type SignIn = Callable[[Role | User], AuthenticatedClient]


def encoded(kind: str, size: tuple[int, int] = (300, 300), **options: Any) -> bytes:
    file = BytesIO()
    Image.new("RGB", size, "red").save(file, kind, **options)
    return file.getvalue()


def animated(kind: str) -> bytes:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("blue", "yellow")]
    return encoded(kind, (40, 40), save_all=True, append_images=frames)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_that_claims(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10_000_000), 9))


def hundred_megapixels() -> bytes:
    file = BytesIO()
    Image.new("1", (10_000, 10_000)).save(file, "PNG")
    return file.getvalue()


def half(kind: str) -> bytes:
    whole = encoded(kind)
    return whole[: len(whole) // 2]


def png_of_text() -> bytes:
    end = chunk(b"IEND", b"")
    return png().replace(end, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(100 * 1024 * 1024), 9)) + end)


def jpeg_of_passes() -> bytes:
    content = encoded("JPEG", (5_000, 5_000), progressive=True)
    last = content.rindex(b"\xff\xda")
    return content[:-2] + content[last:-2] * 1_000 + content[-2:]


def exactly(content: bytes, size: int) -> bytes:
    return content + bytes(size - len(content))


# What is sent, and the code of the field that it is refused with.
REFUSED: Final[dict[str, tuple[Callable[[], bytes], str]]] = {
    "a bomb of pixels": (lambda: png_that_claims(65_535, 65_535), "too_many_pixels"),
    "a hundred megapixels": (hundred_megapixels, "too_many_pixels"),
    "a bomb of passes": (jpeg_of_passes, "invalid_image"),
    "a bomb of text": (png_of_text, "invalid_image"),
    **{f"half of a {kind}": (partial(half, kind), "invalid_image") for kind in ("PNG", "JPEG", "GIF", "WEBP")},
    "a byte too many": (lambda: exactly(png(), 5 * 1024 * 1024 + 1), "too_large"),
    "a program": (lambda: b"MZ\x90\x00" + bytes(1_000), "invalid_image"),
    "a page": (lambda: b"<html><script>alert(1)</script></html>", "invalid_image"),
    "a drawing that runs scripts": (
        lambda: b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        "invalid_image",
    ),
    "an archive": (lambda: b"PK\x03\x04" + bytes(1_000), "invalid_image"),
}
EVIL: Final = b"<script>alert(1)</script> PK\x03\x04 #!/bin/sh"
# What is sent, under which name and as what.
MADE_ANEW: Final[dict[str, tuple[Callable[[], bytes], str, str]]] = {
    "the largest file": (lambda: exactly(png(), 5 * 1024 * 1024), "me.png", "image/png"),
    "a picture that is a page too": (lambda: encoded("GIF") + EVIL, "me.html", "text/html"),
    "a picture that is a program too": (lambda: encoded("JPEG", comment=EVIL) + EVIL, "me.php", "image/jpeg"),
    "another kind than its name says": (lambda: encoded("JPEG"), "me.png", "image/png"),
    "the name of a program": (png, "me.exe", "application/x-msdownload"),
    "a path in its name": (png, "../../../etc/cron.d/evil", "image/png"),
    "a path of Windows in its name": (png, "..\\..\\evil.webp", "image/png"),
    "a NUL in its name": (png, "evil.php\x00.png", "image/png"),
    **{f"frames of a {kind}": (partial(animated, kind), "me.bin", "image/png") for kind in ("GIF", "WEBP", "PNG")},
}


def put(client: "AuthenticatedClient", content: bytes, name: str = "me.png", kind: str = "image/png") -> Any:
    return client.put(MINE, {"file": upload(content, name, kind)}, format="multipart")


@pytest.mark.parametrize("what", REFUSED)
def test_is_refused_and_nothing_of_it_is_kept(auth_api: SignIn, what: str) -> None:
    build, code = REFUSED[what]
    content = build()
    client = auth_api(Role.USER)
    put(client, png())
    before, files = User.objects.values().get(), stored()

    started = time.process_time()
    response = put(client, content)

    assert wrong_fields(response) == {"file": code}
    assert time.process_time() - started < 2
    assert User.objects.values().get() == before
    assert stored() == files == [before["avatar"]]
    assert not OutboxRow.objects.exists()


@pytest.mark.parametrize("what", MADE_ANEW)
def test_is_made_anew_and_nothing_else_of_it_is_kept(auth_api: SignIn, what: str) -> None:
    build, name, kind = MADE_ANEW[what]
    client = auth_api(Role.USER)

    response = put(client, build(), name, kind)

    assert response.status_code == 200, response.content
    (key,) = stored()
    assert User.objects.get().avatar == key
    folder, owner, file = key.split("/")
    assert (folder, owner, file[-5:], len(file)) == ("avatars", str(client.user.pk), ".webp", 41)
    content = FileStore.read(key=key)
    with Image.open(BytesIO(content), formats=["WEBP"]) as kept:
        assert (kept.size, getattr(kept, "n_frames", 1)) == ((512, 512), 1)
        red, _, blue = kept.convert("RGB").getpixel((256, 256))  # type: ignore[misc]  # three bands
        assert (red > 200, blue < 60) == (True, True)
    assert b"script" not in content
    assert b"PK" not in content[12:]


def _away(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_bucket(f"http://127.0.0.1:{free_port()}", settings, monkeypatch)


def _gone(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "gone").write_bytes(b"no folder")
    use_disk(tmp_path / "gone", settings, monkeypatch)


@pytest.mark.parametrize("lose", [_away, _gone])
def test_without_a_storage_the_answer_is_503_and_the_account_as_it_was(
    auth_api: SignIn,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    lose: Callable[..., None],
) -> None:
    client = auth_api(Role.USER)
    put(client, png())
    before, files, storages = User.objects.values().get(), stored(), settings.STORAGES

    lose(settings, monkeypatch, tmp_path)
    started = time.monotonic()
    response = put(client, png("blue"))

    assert time.monotonic() - started < 5
    assert problem(response) == (503, "service_unavailable")
    assert int(response.headers["Retry-After"]) > 0
    settings.STORAGES = storages
    assert User.objects.values().get() == before
    assert stored() == files
    assert not OutboxRow.objects.exists()
    assert put(client, png("blue")).status_code == 200


@pytest.mark.parametrize("store", ["disk"], indirect=True)
def test_on_a_full_disk_nothing_is_half_kept(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    put(client, png())
    before, files = User.objects.values().get(), stored()
    noise = BytesIO()
    Image.effect_noise((1_000, 1_000), 200).save(noise, "JPEG")

    with limited_file_size(30_000):
        response = put(client, noise.getvalue())

    assert problem(response) == (503, "service_unavailable")
    assert User.objects.values().get() == before
    assert stored() == files


@pytest.mark.parametrize("store", ["bucket"], indirect=True)
def test_a_bucket_that_refuses_is_answered_like_one_that_is_away(
    auth_api: SignIn, bucket: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_bucket(bucket, settings, monkeypatch, name="no-such-bucket")
    client = auth_api(Role.USER)

    assert problem(put(client, png())) == (503, "service_unavailable")
    assert User.objects.get().avatar == ""


def test_a_file_that_could_not_be_removed_goes_when_the_storage_is_back(
    auth_api: SignIn, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = auth_api(Role.USER)
    put(client, png())
    storages = settings.STORAGES
    assert client.delete(MINE).status_code == 204

    use_bucket(f"http://127.0.0.1:{free_port()}", settings, monkeypatch)
    run_jobs()
    job = OutboxRow.objects.get()
    assert (job.state, job.attempts) == ("pending", 1)
    settings.STORAGES = storages
    assert len(stored()) == 1

    OutboxRow.objects.update(state="published")
    run_jobs()
    assert OutboxRow.objects.get().state == "done"
    assert stored() == []
