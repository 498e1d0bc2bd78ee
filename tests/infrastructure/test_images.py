import struct
import zlib
from io import BytesIO

import pytest
from PIL import Image

from infrastructure.images import MAX_BYTES, SIDE, ImageError, to_square_webp


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


def test_a_file_of_more_than_five_mebibytes_is_not_looked_at() -> None:
    with pytest.raises(ImageError) as refused:
        to_square_webp(picture() + bytes(MAX_BYTES))

    assert refused.value.code == "too_large"
