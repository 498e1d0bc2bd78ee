"""Requests as the servers hand them over, with whatever Content-Type a stranger wrote.

Django reads that header while it makes the request, before any middleware could answer: one it cannot parse
(`a/b; c*=klingon''d`), or one whose character set it then uses for the query string (`charset=rot13`), would leave the
server with an exception and the client with a bare 500.
"""

from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest
from django.utils.http import parse_header_parameters


class _TolerantRequest(HttpRequest):
    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        # Addresses are UTF-8 whatever a body is written in, and the parsers decide what a body may be.
        try:
            self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
        except ValueError:
            # What a body is that nobody has named: RFC 9110, section 8.3.
            meta["CONTENT_TYPE"] = self.content_type = "application/octet-stream"
            self.content_params = {}


class TolerantWSGIRequest(_TolerantRequest, WSGIRequest):
    pass


class TolerantASGIRequest(_TolerantRequest, ASGIRequest):
    pass
