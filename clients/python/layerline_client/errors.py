"""What a server refuses, by its stable codes."""

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """The root of all errors of this client."""


class ProblemError(ClientError):
    """A request was answered with a problem document (RFC 9457).

    Args:
        status: The status of the answer.
        document: The whole document; empty if the answer held none.
        retry_after: Seconds until it is worth another try, where the server said so.
    """

    def __init__(self, status: int, document: Mapping[str, Any], retry_after: int | None = None) -> None:
        self.status = status
        self.code = str(document.get("code", "unknown"))
        self.errors = list(document.get("errors", ()))
        self.request_id = document.get("request_id")
        self.retry_after = retry_after
        super().__init__(f"{status} {self.code}: {document.get('detail', '')}")


class RefusedError(ClientError):
    """A frame was answered with an `error`.

    Args:
        frame: The whole frame.
    """

    def __init__(self, frame: Mapping[str, Any]) -> None:
        self.code = str(frame["code"])
        self.errors = list(frame.get("errors", ()))
        self.retry_after = frame.get("retry_after")
        self.request_id = frame.get("request_id")
        super().__init__(f"{self.code}: {frame.get('detail', '')}")


class GoneError(ClientError):
    """A room was closed to this client for good.

    Args:
        code: The close code of the socket (RFC 6455, section 7.4, and those of the API's documentation).
    """

    def __init__(self, code: int, reason: str = "") -> None:
        self.code = code
        super().__init__(f"closed with {code}" + (f": {reason}" if reason else ""))
