"""Pictures that strangers send: what they are is told by their content, and nothing of them is kept but the pixels."""

from io import BytesIO
from typing import Final

from PIL import Image, ImageOps

SIDE: Final = 512
MAX_BYTES: Final = 5 * 1024 * 1024
MAX_PIXELS: Final = 25_000_000
_FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF")
_QUALITY: Final = 82


class ImageError(Exception):
    """What was sent is no picture that is taken.

    Args:
        code: `too_large`, `too_many_pixels` or `invalid_image`.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def to_square_webp(content: bytes) -> bytes:
    """Return the middle of a picture as a WebP of SIDE x SIDE pixels.

    Decoded and encoded anew: metadata, a second file behind the picture and anything but the first frame are left
    behind. The size in pixels is read from the header before anything is decoded.

    Raises:
        ImageError: If it is larger than MAX_BYTES or MAX_PIXELS, of another format, or broken.
    """
    if len(content) > MAX_BYTES:
        raise ImageError("too_large", f"The picture is larger than {MAX_BYTES // 1024**2} MiB.")
    try:
        with Image.open(BytesIO(content), formats=_FORMATS) as picture:
            _refuse_too_many_pixels(picture)
            # Lets a JPEG be decoded at a fraction of its size.
            picture.draft("RGB", (SIDE * 2, SIDE * 2))
            upright = ImageOps.exif_transpose(picture)
            square = ImageOps.fit(_with_plain_colours(upright), (SIDE, SIDE), Image.Resampling.LANCZOS)
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels() from error
    except Exception as error:  # Pillow's decoders raise whatever a broken file makes them
        raise ImageError("invalid_image", "This is no picture in JPEG, PNG, WebP or GIF.") from error
    encoded = BytesIO()
    square.save(encoded, "WEBP", quality=_QUALITY, method=4)
    return encoded.getvalue()


def _refuse_too_many_pixels(picture: Image.Image) -> None:
    if picture.width * picture.height > MAX_PIXELS:
        raise _too_many_pixels()


def _too_many_pixels() -> ImageError:
    return ImageError("too_many_pixels", f"The picture has more than {MAX_PIXELS // 10**6} megapixels.")


def _with_plain_colours(picture: Image.Image) -> Image.Image:
    has_transparency = picture.mode in {"RGBA", "LA", "PA"} or "transparency" in picture.info
    return picture.convert("RGBA" if has_transparency else "RGB")
