"""Pictures that strangers send: what they are is told by their content, and nothing of them is kept but the pixels."""

import re
from io import BytesIO
from typing import Final

from PIL import Image, ImageOps

from infrastructure.gate import Gate, GateFull

SIDE: Final = 512
MAX_BYTES: Final = 5 * 1024 * 1024
MAX_PIXELS: Final = 25_000_000
# Passes over all of the picture, at 60 ms each, of which every one may take 40 bytes. Programs write ten.
MAX_SCANS: Final = 32
# A small file may take 400 MB, and a core for a second: one at a time, and a short line, for who waits serves nobody.
_AT_ONCE: Final = 1
_WAITING: Final = 2
_PATIENCE: Final = 2.0
_FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF")
_QUALITY: Final = 82
# Rows of what is left of a large picture.
_STRIP: Final = 64
# Of a JPEG (ITU T.81, annex B): what follows 0xFF. Neither a stuffed byte nor a restart, which only stand in a scan.
_MARKER: Final = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
_END: Final = 0xD9
_SCAN: Final = 0xDA
_FIRST_WITH_LENGTH: Final = 0xC0

_gate: Final = Gate()


class ImageError(Exception):
    """What was sent is no picture that is taken.

    Args:
        code: `too_large`, `too_many_pixels` or `invalid_image`.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class ImagesBusy(Exception):  # noqa: N818  # named like the answer it becomes
    """More pictures are to be decoded than this process takes on."""


def to_square_webp(content: bytes) -> bytes:
    """Return the middle of a picture as a WebP of SIDE x SIDE pixels.

    Decoded and encoded anew: metadata, a second file behind the picture and anything but the first frame are left
    behind. The size in pixels is read from the header before anything is decoded.

    Raises:
        ImageError: If it is larger than MAX_BYTES or MAX_PIXELS, of another format, or broken.
        ImagesBusy: If its turn does not come.
    """
    if len(content) > MAX_BYTES:
        raise ImageError("too_large", f"The picture is larger than {MAX_BYTES // 1024**2} MiB.")
    try:
        with _gate.entered(at_once=_AT_ONCE, waiting=_WAITING, seconds=_PATIENCE):
            return _decoded_and_encoded(content)
    except GateFull:
        raise ImagesBusy("More pictures are to be decoded than this process takes on.") from None


def _decoded_and_encoded(content: bytes) -> bytes:
    try:
        with Image.open(BytesIO(content), formats=_FORMATS) as picture:
            _refuse_too_much_work(picture, content)
            # Lets a JPEG be decoded at a fraction of its size.
            picture.draft("RGB", (SIDE * 2, SIDE * 2))
            middle = _shrunk_middle(picture)
            square = ImageOps.fit(ImageOps.exif_transpose(middle), (SIDE, SIDE), Image.Resampling.LANCZOS)
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels() from error
    except Exception as error:  # Pillow's decoders raise whatever a broken file makes them
        raise _no_picture() from error
    encoded = BytesIO()
    square.save(encoded, "WEBP", quality=_QUALITY, method=4)
    return encoded.getvalue()


def _refuse_too_much_work(picture: Image.Image, content: bytes) -> None:
    if picture.width * picture.height > MAX_PIXELS:
        raise _too_many_pixels()
    if picture.format in {"JPEG", "MPO"} and _scans(content) > MAX_SCANS:
        raise _no_picture()


def _scans(jpeg: bytes) -> int:
    """Return how many passes a decoder makes, by reading as it reads: in a segment or behind the end there are none."""
    scans = 0
    position = 0
    while (marker := _MARKER.search(jpeg, position)) and marker[1][0] != _END:
        position = marker.end()
        if marker[1][0] == _SCAN:
            scans += 1
        # Those below are reserved, and the begin of the file is but a mark.
        if marker[1][0] >= _FIRST_WITH_LENGTH and marker[1] != b"\xd8":
            position += int.from_bytes(jpeg[position : position + 2])
    return scans


def _shrunk_middle(picture: Image.Image) -> Image.Image:
    """Return the square in the middle of a picture, at a fraction of its size that is still larger than is needed.

    Strip by strip: a copy of the whole, in true colours, would take as much memory as the picture and more.
    """
    side = min(picture.size)
    factor = max(1, side // (SIDE * 2))
    small = side // factor
    left, top = ((length - small * factor) // 2 for length in picture.size)
    middle = Image.new("RGBA" if _has_transparency(picture) else "RGB", (small, small))
    for row in range(0, small, _STRIP):
        rows = min(_STRIP, small - row)
        begin = top + row * factor
        strip = picture.crop((left, begin, left + small * factor, begin + rows * factor))
        middle.paste(strip.convert(middle.mode).reduce(factor), (0, row))
    # Which side is up.
    middle.info = dict(picture.info)
    return middle


def _has_transparency(picture: Image.Image) -> bool:
    return picture.mode in {"RGBA", "LA", "PA"} or "transparency" in picture.info


def _too_many_pixels() -> ImageError:
    return ImageError("too_many_pixels", f"The picture has more than {MAX_PIXELS // 10**6} megapixels.")


def _no_picture() -> ImageError:
    return ImageError("invalid_image", "This is no picture in JPEG, PNG, WebP or GIF.")
