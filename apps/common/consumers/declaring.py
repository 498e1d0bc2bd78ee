from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from apps.common.frames import ClientFrame

type Answer = Mapping[str, Any]
type Handler = Callable[..., Awaitable[Answer]]


def takes(frame: ClientFrame) -> Callable[[Handler], Handler]:
    """Let a method answer a kind of frame.

    It is given what the frame holds besides `type` and `ref`, checked, and returns what the answer holds: the first of
    the frame's answers, unless it names the `type` of another one.
    """

    def declare(handler: Handler) -> Handler:
        vars(handler)["frame"] = frame
        return handler

    return declare
