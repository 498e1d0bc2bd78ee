from collections.abc import Mapping
from typing import Any

from rest_framework.renderers import BaseRenderer


class WebPRenderer(BaseRenderer):
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
