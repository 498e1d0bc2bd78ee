from typing import Any

import pytest
from pytest_django import Settings

from apps.common.consumers import BAD_FRAMES
from apps.common.frames import FRAME_BYTES
from apps.common.handlers import PROBLEMS
from apps.common.tests.consumers.support import ADA, BOB, Tokens
from apps.common.tests.sockets import Socket, Sockets
from apps.common.tests.support import CANARY

PING = {"type": "ping"}


@pytest.fixture
def socket(sockets: Sockets, tokens: Tokens) -> Socket:
    """A socket at which Ada is signed in."""
    return sockets("/ws/speaking/", tokens.good("token"))


def _padded(size: int) -> str:
    """Return a ping of so many bytes, of which some characters are two."""
    head, tail = '{"type": "ping", "pad": "é', '"}'
    return f"{head}{'x' * (size - len(head.encode()) - len(tail))}{tail}"


def test_a_frame_is_acknowledged_under_its_ref(socket: Socket) -> None:
    answer = socket.ask({"type": "say", "text": "ha", "times": 2, "ref": "r-1"})

    assert answer == {"type": "ack", "ref": "r-1", "said": "haha", "by": str(ADA)}


def test_a_frame_without_a_ref_is_acknowledged_without_one(socket: Socket) -> None:
    assert "ref" not in socket.ask({"type": "say", "text": "ha"})


def test_a_ping_is_answered(socket: Socket) -> None:
    assert socket.ask({"type": "ping", "ref": ""}) == {"type": "pong", "ref": ""}


def test_every_answer_has_an_id_of_its_own(socket: Socket) -> None:
    ids = []
    for frame in (PING, {"type": "nonsense"}, PING):
        socket.send(frame)
        ids.append(socket.take()["text"].partition('"request_id": "')[2][:36])

    assert len(set(ids)) == 3
    assert {len(name) for name in ids} == {36}


@pytest.mark.parametrize(
    ("frame", "code", "errors"),
    [
        ("", "parse_error", {}),
        ("nonsense", "parse_error", {}),
        ('{"type": "ping"', "parse_error", {}),
        ('{"type": "say", "text": NaN}', "parse_error", {}),
        ('{"type": "say", "text": "\\u0000"}', "parse_error", {}),
        ('{"type": "say", "text": "\\ud800"}', "parse_error", {}),
        ('{"type": "say", "times": 9223372036854775808}', "parse_error", {}),
        ('{"type": "ping", "type": "say"}', "parse_error", {}),
        ("[" * 10_000, "parse_error", {}),
        ("[]", "validation_error", {"": "invalid"}),
        ("1", "validation_error", {"": "invalid"}),
        ("null", "validation_error", {"": "invalid"}),
        ("{}", "validation_error", {"type": "required"}),
        ('{"type": null}', "validation_error", {"type": "required"}),
        ('{"type": ["say"]}', "validation_error", {"type": "required"}),
        ('{"type": "nonsense"}', "validation_error", {"type": "unknown"}),
        ('{"type": "close"}', "validation_error", {"type": "unknown"}),
        ('{"type": "_send"}', "validation_error", {"type": "unknown"}),
        ('{"type": "websocket.receive"}', "validation_error", {"type": "unknown"}),
        ('{"type": "ping", "ref": 1}', "validation_error", {"ref": "invalid"}),
        ('{"type": "ping", "ref": null}', "validation_error", {"ref": "invalid"}),
        ('{"type": "ping", "more": 1}', "validation_error", {"more": "unknown"}),
        ('{"type": "say"}', "validation_error", {"text": "required"}),
        ('{"type": "say", "text": 5}', "validation_error", {"text": "invalid"}),
        ('{"type": "say", "text": "12345678901"}', "validation_error", {"text": "max_length"}),
        ('{"type": "say", "text": "a\\nb"}', "validation_error", {"text": "invalid"}),
    ],
)
def test_a_bad_frame_is_told_what_is_wrong_and_the_socket_lives(
    socket: Socket, frame: str, code: str, errors: dict[str, str]
) -> None:
    answer = socket.ask(frame)

    assert (answer["type"], answer["code"]) == ("error", code)
    assert {error["field"]: error["code"] for error in answer.get("errors", ())} == errors
    assert socket.ask(PING) == {"type": "pong"}


def test_a_bad_frame_is_answered_under_its_ref(socket: Socket) -> None:
    assert socket.ask({"type": "nonsense", "ref": "7"})["ref"] == "7"
    assert "ref" not in socket.ask({"type": "ping", "ref": "x" * 65})
    assert socket.ask({"type": "ping", "ref": "x" * 64})["ref"] == "x" * 64


def test_a_binary_frame_is_a_bad_one(socket: Socket) -> None:
    socket.put({"type": "websocket.receive", "bytes": b'{"type": "ping"}'})

    answer = socket.receive()
    assert (answer["code"], answer["detail"]) == ("parse_error", "Frames are text.")


def test_bad_frames_close_the_socket_if_they_are_too_many(socket: Socket) -> None:
    answers = [socket.ask("nonsense") for _ in range(BAD_FRAMES)]

    assert {answer["code"] for answer in answers} == {"parse_error"}
    assert socket.ask(PING) == {"type": "pong"}
    socket.send("nonsense")
    assert socket.closed() == 4400


def test_a_frame_of_64_kibibytes_is_read_and_one_byte_more_closes_the_socket(socket: Socket) -> None:
    assert socket.ask(_padded(FRAME_BYTES))["errors"][0]["field"] == "pad"

    socket.send(_padded(FRAME_BYTES + 1))

    assert socket.closed() == 1009


def test_a_binary_frame_may_be_no_longer(socket: Socket) -> None:
    socket.put({"type": "websocket.receive", "bytes": b"x" * (FRAME_BYTES + 1)})

    assert socket.closed() == 1009


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("denied", "forbidden"),
        ("http404", "not_found"),
        ("invalid", "validation_error"),
        ("nested", "validation_error"),
        ("redis-away", "service_unavailable"),
        ("database-away", "service_unavailable"),
        ("unforeseen", "internal_error"),
    ],
)
def test_what_a_service_raises_is_told_like_over_http_and_shows_nothing_of_the_inside(
    socket: Socket, kind: str, code: str
) -> None:
    answer = socket.ask({"type": "fail", "kind": kind, "ref": "1"})

    assert (answer["type"], answer["ref"], answer["code"]) == ("error", "1", code)
    assert answer["detail"] == PROBLEMS[code].meaning or kind == "invalid"
    assert CANARY not in str(answer)
    assert socket.ask(PING) == {"type": "pong"}


def test_faults_that_are_not_the_senders_are_never_too_many(socket: Socket) -> None:
    for _ in range(BAD_FRAMES + 1):
        assert socket.ask({"type": "fail", "kind": "denied"})["code"] == "forbidden"


def test_frames_share_the_limits_of_requests(socket: Socket, settings: Settings) -> None:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"burst": (2, 60)}

    answers = [socket.ask({"type": "say", "text": "ha"}) for _ in range(3)]

    assert [answer["type"] for answer in answers] == ["ack", "ack", "error"]
    assert (answers[2]["code"], answers[2]["retry_after"]) == ("throttled", 60)
    assert socket.ask(PING) == {"type": "pong"}


def test_whoever_goes_on_beyond_a_limit_is_closed(socket: Socket, settings: Settings) -> None:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"burst": (1, 60)}
    for _ in range(BAD_FRAMES + 1):
        socket.ask({"type": "say", "text": "ha"})

    socket.send({"type": "say", "text": "ha"})

    assert socket.closed() == 4429


def test_frames_are_served_without_limits_while_redis_is_away(
    socket: Socket, settings: Settings, redis_away: None
) -> None:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"burst": (1, 60)}

    assert [socket.ask({"type": "say", "text": "ha"})["type"] for _ in range(3)] == ["ack"] * 3


def _renewal(token: str) -> dict[str, Any]:
    return {"type": "auth", "token": token, "ref": "1"}


def test_a_newer_token_of_the_session_keeps_the_socket_signed_in(socket: Socket, tokens: Tokens) -> None:
    answer = socket.ask(_renewal(tokens.good("newer")))
    tokens.revoke("token")

    expires_at = tokens.by_token("newer").expires_at.isoformat()
    assert answer == {"type": "auth.ok", "ref": "1", "expires_at": expires_at}
    assert socket.ask({"type": "say", "text": "ha"})["type"] == "ack"


def test_a_token_of_another_session_closes_the_socket(socket: Socket, tokens: Tokens) -> None:
    socket.send(_renewal(tokens.good("other", session=BOB)))

    assert socket.closed() == 4401


def test_a_bad_token_closes_the_socket_that_was_signed_in(socket: Socket) -> None:
    socket.send(_renewal("bad"))

    assert socket.closed() == 4401
