"""What goes over sockets: a typed registry of frames, from which validation, AsyncAPI document and docs are made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from rest_framework import serializers

from apps.common.enums import CloseCode
from apps.common.handlers import PROBLEMS
from apps.common.serializers import FieldErrorSerializer, StrictCharField, StrictSerializer

FRAME_BYTES: Final = 64 * 1024
REF_LENGTH: Final = 64
_UNTIL: Final = "2026-01-31T12:15:00+00:00"
_SOMEBODY: Final = "0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a10"


class Sender(StrEnum):
    """Who sends a frame."""

    CLIENT = "client"
    SERVER = "server"


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One kind of frame, as both ends know it.

    Args:
        kind: What stands in its `type`.
        shape: What it holds besides `type`, `ref` and `request_id`.
        purpose: One line for whoever reads of it.
        example: What such a frame may hold, without its `type`.
        name: What documents call it, where several are of one type.
    """

    kind: str
    shape: type[serializers.Serializer[Any]]
    purpose: str
    example: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""

    @property
    def sender(self) -> Sender:
        """Who sends it."""
        raise NotImplementedError

    @property
    def title(self) -> str:
        """What documents call it."""
        return self.name or self.kind

    @property
    def whole_example(self) -> dict[str, Any]:
        """An example of the whole frame."""
        return {"type": self.kind, **self.example}


@dataclass(frozen=True, slots=True, eq=False)
class ServerFrame(Frame):
    """A frame that the server sends: as an answer, or by itself."""

    @property
    def sender(self) -> Sender:
        return Sender.SERVER


@dataclass(frozen=True, slots=True, eq=False)
class ClientFrame(Frame):
    """A frame that a client sends.

    Args:
        answers: What may come back besides an `error`; the first is meant where a consumer names none.
    """

    answers: tuple[ServerFrame, ...] = ()

    @property
    def sender(self) -> Sender:
        return Sender.CLIENT


class WelcomeSerializer(serializers.Serializer[Any]):
    you = serializers.UUIDField(help_text="Your user id.")
    expires_at = serializers.DateTimeField(help_text="When the socket ends, unless `auth` renews it.")


class AuthFrameSerializer(StrictSerializer):
    """The frame by which whoever opened a socket signs in."""

    token = StrictCharField(trim_whitespace=False, help_text="An access token.")


class RenewedSerializer(serializers.Serializer[Any]):
    expires_at = serializers.DateTimeField(help_text="When the socket ends now.")


class ErrorSerializer(serializers.Serializer[Any]):
    code = serializers.ChoiceField(choices=sorted(PROBLEMS), help_text="Stable: decide by this.")
    detail = serializers.CharField(help_text="A sentence for a person.")
    retry_after = serializers.IntegerField(required=False, help_text="Seconds to wait before the next try.")
    errors = FieldErrorSerializer(  # type: ignore[assignment]  # a field by that name hides DRF's property
        many=True, required=False, help_text="Which fields are wrong; on validation only."
    )


WELCOME: Final = ServerFrame(
    "welcome",
    WelcomeSerializer,
    "You are signed in. Nothing is sent before it.",
    {"you": _SOMEBODY, "expires_at": _UNTIL},
)
AUTH_OK: Final = ServerFrame("auth.ok", RenewedSerializer, "The socket goes on until then.", {"expires_at": _UNTIL})
PONG: Final = ServerFrame("pong", serializers.Serializer[Any], "The answer to a `ping`.")
ERROR: Final = ServerFrame(
    "error",
    ErrorSerializer,
    "A frame of yours was refused; the socket goes on.",
    {"code": "forbidden", "detail": PROBLEMS["forbidden"].meaning, "ref": "7", "request_id": _SOMEBODY},
)
AUTH: Final = ClientFrame(
    "auth",
    AuthFrameSerializer,
    "Sign in; later, stay signed in with a newer token of the same session.",
    {"token": "eyJhbGciOiJIUzI1NiIs…"},
    answers=(WELCOME, AUTH_OK),
)
PING: Final = ClientFrame("ping", StrictSerializer, "Tell that somebody is there.", answers=(PONG,))


@dataclass(frozen=True, slots=True)
class Closing:
    """One entry of the list of close codes that clients rely on."""

    code: CloseCode
    meaning: str
    advice: str


CLOSINGS: Final = {
    closing.code: closing
    for closing in (
        Closing(CloseCode.LEAVING, "The server or the client goes away.", "Come back, with a growing pause."),
        Closing(CloseCode.TOO_LARGE, f"A frame of more than {FRAME_BYTES // 1024} KiB.", "Send smaller frames."),
        Closing(CloseCode.INTERNAL_ERROR, "A fault of ours while the socket was opened.", "Come back after a minute."),
        Closing(
            CloseCode.RESTARTING,
            "The server restarts. The reason says `retry=` and seconds.",
            "Come back after so many seconds, with `after`.",
        ),
        Closing(CloseCode.TRY_AGAIN_LATER, "PostgreSQL or Redis is away.", "Come back, with a growing pause."),
        Closing(CloseCode.BAD_FRAMES, "Too many bad frames within a minute.", "Mend the client; do not come back."),
        Closing(
            CloseCode.NOT_SIGNED_IN,
            "Not signed in in time, or no longer: logged out, deactivated, password changed, token over.",
            "Refresh the token and come back once; if that fails, ask for the password.",
        ),
        Closing(CloseCode.FORBIDDEN, "Removed or banned, or never allowed in.", "Do not come back; tell the person."),
        Closing(CloseCode.NOT_FOUND, "Nothing is there, or nothing that you may see.", "Do not come back."),
        Closing(CloseCode.SILENT, "Nothing was heard for 60 seconds.", "Come back at once; send `ping` when idle."),
        Closing(CloseCode.TOO_FAST, "Went on beyond a limit.", "Wait a minute, and send less."),
        Closing(CloseCode.TOO_MANY_SOCKETS, "Too many sockets are open.", "Close another first."),
        Closing(
            CloseCode.TOO_SLOW,
            "Read more slowly than was sent: 256 KiB were waiting.",
            "Come back with `after`; nothing is lost.",
        ),
    )
}
