from collections.abc import Mapping
from typing import Any, Final

import orjson
from rest_framework import renderers
from rest_framework.utils.encoders import JSONEncoder

# Moments in the spelling of the encoder, which is DRF's everywhere else.
_OPTIONS: Final = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_NON_STR_KEYS
_SEPARATORS: Final = (("\u2028".encode(), b"\\u2028"), ("\u2029".encode(), b"\\u2029"))
_encode: Final = JSONEncoder().default


class JSONRenderer(renderers.JSONRenderer):
    """DRF's JSON, written in C."""

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> Any:
        # `Accept: application/json; indent=2` is for a person who reads.
        if data is None or (accepted_media_type and ";" in accepted_media_type):
            return super().render(data, accepted_media_type, renderer_context)
        try:
            text = orjson.dumps(data, _encode, _OPTIONS)
        except orjson.JSONEncodeError:
            # An integer of more than 64 bits, for one.
            return super().render(data, accepted_media_type, renderer_context)
        # Two line breaks of JavaScript, which are none of JSON's.
        for letter, escaped in _SEPARATORS:
            text = text.replace(letter, escaped)
        return text


class WebPRenderer(renderers.BaseRenderer):
    """A picture as it is."""

    media_type = "image/webp"
    format = "webp"
    charset = None
    render_style = "binary"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return data
