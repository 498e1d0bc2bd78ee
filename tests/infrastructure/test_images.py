import struct
import time
import tracemalloc
import zlib
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from infrastructure import images
from infrastructure.images import MAX_BYTES, MAX_SCANS, SIDE, ImageError, ImagesBusy, to_square_webp
from tests.infrastructure.support import at_once


def picture(kind: str = "PNG", size: tuple[int, int] = (40, 20), mode: str = "RGB", **options: object) -> bytes:
    encoded = BytesIO()
    Image.new(mode, size, 128 if mode == "L" else "red").save(encoded, kind, **options)
    return encoded.getvalue()


def decoded(content: bytes) -> Image.Image:
    return Image.open(BytesIO(content), formats=["WEBP"])


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_that_claims(width: int, height: int, data: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
@pytest.mark.parametrize("size", [(1, 1), (40, 20), (20, 40), (1_500, 900)])
def test_any_picture_becomes_a_square_webp(kind: str, size: tuple[int, int]) -> None:
    square = decoded(to_square_webp(picture(kind, size)))

    assert (square.format, square.size) == ("WEBP", (SIDE, SIDE))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1", "CMYK"])
def test_colours_of_any_kind_are_taken(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    encoded = BytesIO()
    Image.new(mode, (30, 30)).save(encoded, kind)

    assert decoded(to_square_webp(encoded.getvalue())).size == (SIDE, SIDE)


def test_it_is_turned_upright_and_loses_its_metadata() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x8769] = {0x9003: "2026:01:31 12:00:00"}
    exif[0x013B] = "canary"
    wide = BytesIO()
    flag = Image.new("RGB", (400, 400), "blue")
    flag.paste((255, 0, 0), (0, 0, 400, 200))
    flag.save(wide, "JPEG", exif=exif, comment=b"canary", quality=95)

    content = to_square_webp(wide.getvalue())

    assert b"canary" not in content
    assert not decoded(content).getexif()
    # The red half, which was above, is at the right.
    red, _, blue = decoded(content).convert("RGB").getpixel((SIDE - 20, SIDE // 2))  # type: ignore[misc]  # three bands
    assert (red > 200, blue < 60) == (True, True)


def test_of_an_animation_the_first_frame_is_kept() -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    encoded = BytesIO()
    frames[0].save(encoded, "GIF", save_all=True, append_images=frames[1:])

    square = decoded(to_square_webp(encoded.getvalue()))

    assert getattr(square, "n_frames", 1) == 1
    red, _, blue = square.convert("RGB").getpixel((256, 256))  # type: ignore[misc]  # three bands
    assert (red > 200, blue < 60) == (True, True)


@pytest.mark.parametrize(
    ("mode", "colour", "options"),
    [
        ("P", 0, {"transparency": 0}),
        ("RGB", (9, 9, 9), {"transparency": (9, 9, 9)}),
        ("LA", (9, 0), {}),
        ("RGBA", (9, 9, 9, 0), {}),
    ],
)
@pytest.mark.parametrize("side", [30, 2_500])
def test_what_is_transparent_stays_so(mode: str, colour: Any, options: dict[str, Any], side: int) -> None:
    encoded = BytesIO()
    Image.new(mode, (side, side), colour).save(encoded, "PNG", **options)

    square = decoded(to_square_webp(encoded.getvalue()))

    assert square.mode == "RGBA"
    assert square.getpixel((SIDE // 2, SIDE // 2))[3] == 0  # type: ignore[index]  # four bands


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_of_a_large_picture_the_middle_is_kept(kind: str) -> None:
    flag = Image.new("RGB", (4_001, 2_600), "blue")
    flag.paste((255, 0, 0), (701, 0, 2_001, 1_300))
    encoded = BytesIO()
    flag.save(encoded, kind, quality=95)

    square = decoded(to_square_webp(encoded.getvalue())).convert("RGB")

    quarters = [square.getpixel((x, y)) for x in (SIDE // 4, 3 * SIDE // 4) for y in (SIDE // 4, 3 * SIDE // 4)]
    assert [(red > 200, blue > 200) for red, _, blue in quarters] == [  # type: ignore[misc]  # three bands
        (True, False),
        (False, True),
        (False, True),
        (False, True),
    ]
    # No seam where one strip ends.
    assert all(square.getpixel((100, y))[2] < 60 for y in range(8, 248))  # type: ignore[index]  # as above


def test_what_hides_behind_a_picture_is_left_behind() -> None:
    polyglot = picture("GIF") + b"PK\x03\x04 <script>alert(1)</script>"

    assert b"script" not in to_square_webp(polyglot)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a picture",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        picture("BMP"),
        picture("TIFF"),
        picture("ICO"),
        picture("PNG", (300, 300))[:60],
        picture("JPEG", (300, 300))[:100],
        png_that_claims(100, 100, b"broken"),
    ],
)
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(ImageError) as refused:
        to_square_webp(content)

    assert refused.value.code == "invalid_image"


@pytest.mark.parametrize(("width", "height"), [(10_000, 10_000), (5_001, 5_000), (65_535, 65_535), (2**31 - 1, 2)])
def test_a_bomb_is_refused_by_its_header_before_anything_is_decoded(width: int, height: int) -> None:
    # Its data would be 300 MB of zeros; that it is not even there shows that nobody looked.
    with pytest.raises(ImageError) as refused:
        to_square_webp(png_that_claims(width, height))

    assert (refused.value.code, str(refused.value)) == ("too_many_pixels", "The picture has more than 25 megapixels.")


def progressive(scans: int, *, before: bytes = b"", after: bytes = b"") -> bytes:
    """Return a JPEG of 25 megapixels that a decoder passes over so many times; a pass takes 42 bytes."""
    content = picture("JPEG", (5_000, 5_000), "L", progressive=True)
    last = content.rindex(b"\xff\xda")
    one = content[last:-2]
    count = content.count(b"\xff\xda")
    return content[:2] + before + content[2:last] + one * (scans - count + 1) + b"\xff\xd9" + after


@pytest.mark.parametrize("before", [b"", b"\xff\xfe\x00\x04\xff\xd9"])
def test_a_bomb_of_many_passes_is_refused_before_anything_is_decoded(before: bytes) -> None:
    # Each takes 60 ms: in five megabytes there is room for two hours.
    bomb = progressive(10_000, before=before)

    started = time.process_time()
    with pytest.raises(ImageError) as refused:
        to_square_webp(bomb)

    assert refused.value.code == "invalid_image"
    assert time.process_time() - started < 1


def test_passes_that_no_decoder_makes_do_not_count() -> None:
    hidden = b"\xff\xda" * 100
    segment = b"\xff\xfe" + (len(hidden) + 2).to_bytes(2) + hidden

    content = to_square_webp(progressive(MAX_SCANS, before=segment, after=hidden))

    assert decoded(content).size == (SIDE, SIDE)


@pytest.mark.parametrize("name", [b"zTXt", b"iCCP"])
def test_a_bomb_in_the_metadata_is_not_unpacked(name: bytes) -> None:
    bomb = chunk(name, b"name\0\0" + zlib.compress(bytes(200 * 1024 * 1024), 9))
    content = picture("PNG")
    header = content.index(b"IDAT") - 4

    tracemalloc.start()
    try:
        assert what_becomes_of(content[:header] + bomb + content[header:]) == "invalid_image"
        assert tracemalloc.get_traced_memory()[1] < 20 * 1024 * 1024
    finally:
        tracemalloc.stop()


def what_becomes_of(content: bytes) -> str:
    try:
        to_square_webp(content)
    except ImageError as error:
        return error.code
    except ImagesBusy:
        return "busy"
    return "taken"


def test_one_picture_is_decoded_at_a_time_and_who_waits_too_long_is_told() -> None:
    content = picture("PNG")
    with images._gate.entered(at_once=1, waiting=0, seconds=0):
        # Two wait for a while, and there is no room for more to do so.
        assert at_once(4, lambda _: what_becomes_of(content)) == ["busy"] * 4

    assert what_becomes_of(content) == "taken"


def test_a_file_of_more_than_five_mebibytes_is_not_looked_at() -> None:
    with pytest.raises(ImageError) as refused:
        to_square_webp(picture() + bytes(MAX_BYTES))

    assert refused.value.code == "too_large"
