"""Pictures as people send them."""

from io import BytesIO

from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image


def png(colour: str = "red") -> bytes:
    encoded = BytesIO()
    Image.new("RGB", (40, 20), colour).save(encoded, "PNG")
    return encoded.getvalue()


def upload(content: bytes, name: str = "me.png", kind: str = "image/png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, content_type=kind)
