from collections.abc import Iterator
from typing import Any, Final

import pytest

from infrastructure import redaction

JWT: Final = "eyJhbGciOiJIUzI1NiIsImtpZCI6InRlc3QifQ.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    yield
    redaction.forget()


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "new_password",
        "Password",
        "current",
        "new",
        "token",
        "mfa_token",
        "access",
        "refresh",
        "code",
        "recovery_codes",
        "otpauth_uri",
        "secret",
        "SECRET_KEY",
        "api-key",
        "apikey",
        "FIELD_ENCRYPTION_KEYS",
        "Authorization",
        "HTTP_AUTHORIZATION",
        "Cookie",
        "Set-Cookie",
        "sessionid",
        "csrfmiddlewaretoken",
        "email",
        "pending_email",
        "phone",
        "phone_ciphertext",
        "SENTRY_DSN",
        "dsn",
        "ticket",
        "key",
    ],
)
def test_a_name_of_a_secret_is_known_in_every_spelling(name: str) -> None:
    assert redaction.is_secret(name)


@pytest.mark.parametrize(
    "name",
    ["name", "request_id", "user_id", "account_id", "session_id", "path", "route", "status", "event", "error", "job",
     "duration_ms", "attempts", "token_type", "logger", "newest", "keyboard", "monkey", "encoded", "recurrent"],
)  # fmt: skip
def test_a_name_of_nothing_secret_is_none(name: str) -> None:
    assert not redaction.is_secret(name)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("550 <someone@example.com> is unknown", "550 <address> is unknown"),
        ("Key (email)=(ada@example.com) already exists.", "Key (email)=(<address>) already exists."),
        ("mail to Ada.Lovelace+x@mail.example.co.uk, now", "mail to <address>, now"),
        ("redis://:pw@redis.internal:6379/0", "redis://<hidden>@redis.internal:6379/0"),
        ("postgres://user:pw@db.internal/name", "postgres://<hidden>@db.internal/name"),
        (f"bad token {JWT}!", "bad token <token>!"),
        ("Authorization: Bearer abcdefgh.ijk", "Authorization: Bearer <token>"),
        ("call +442079460000 now", "call <phone> now"),
        ("/path?token=abc&page=2", "/path?token=<hidden>&page=2"),
        ("password=p4ssw0rd; name=Ada", "password=<hidden>; name=Ada"),
        (
            "{'email': 'x', 'password': 'it\\'s', 'name': 'Ada'}",
            "{'email': '<hidden>', 'password': '<hidden>', 'name': 'Ada'}",
        ),
        ('{"password":"a\\"b","name":"Ada"}', '{"password":"<hidden>","name":"Ada"}'),
        ('{"refresh" : "x"} "phone": "y"', '{"refresh" : "<hidden>"} "phone": "<hidden>"'),
    ],
)
def test_what_a_text_gives_away_by_its_form_is_hidden(shown: str, expected: str) -> None:
    assert redaction.text(shown) == expected


@pytest.mark.parametrize(
    "shown",
    [
        "",
        "request",
        "/api/v1/users/01a20b82-6c26-737f-8c65-422681b3667f/",
        "2026-11-24T03:03:44.339966+00:00",
        "a = b, c == d, 1 + 1 = 2",
        "page=2&ordering=-created_at",
        "Token expired: refresh it.",
        "SELECT 1 WHERE name = %s",
        "{'status': '200', 'path': '/'}",
        "eyJ is how it begins",
        "@ alone",
    ],
)
def test_what_gives_nothing_away_stays_as_it_is(shown: str) -> None:
    assert redaction.text(shown) == shown


def test_a_value_is_masked_by_its_names_however_deep_it_lies() -> None:
    shown: Any = {
        "event": "login",
        "password": "x",
        "attempts": 3,
        "code": 123456,
        "email_verified": False,
        "phone": None,
        "body": {"name": "Ada", "items": [{"token": "x"}, ("a@example.com", 1.5)]},
        "tokens": ["x"],
    }

    assert redaction.masked(shown) == {
        "event": "login",
        "password": "<hidden>",
        "attempts": 3,
        "code": "<hidden>",
        "email_verified": False,
        "phone": None,
        "body": {"name": "Ada", "items": [{"token": "<hidden>"}, ["<address>", 1.5]]},
        "tokens": "<hidden>",
    }
    assert shown["password"] == "x"


def test_what_was_sent_as_a_secret_is_hidden_wherever_it_turns_up() -> None:
    redaction.remember({"name": "Ada Lovelace", "password": "lanterns", "device": {"code": "918273"}})

    assert (
        redaction.text("no user lanterns with 918273, Ada Lovelace") == "no user <hidden> with <hidden>, Ada Lovelace"
    )
    redaction.forget()
    assert redaction.text("lanterns") == "lanterns"


@pytest.mark.parametrize(
    "body", [None, "text", 1, [], [{"password": "lanterns"}], {"password": 12345678, "code": "12"}]
)
def test_a_body_that_names_no_secret_hides_nothing(body: object) -> None:
    redaction.remember(body)

    assert redaction.text("text lanterns 12345678 12") == "text lanterns 12345678 12"


def test_of_a_body_no_more_is_read_than_a_form_of_ours_may_hold() -> None:
    redaction.remember({f"password{number}": f"secret-{number:03}" for number in range(1_000)})
    nested: dict[str, Any] = {"password": "too deep"}
    for _ in range(5):
        nested = {"inner": nested}
    redaction.remember(nested)

    assert redaction.text("secret-000 secret-099") == "<hidden> <hidden>"
    assert redaction.text("secret-999 too deep") == "secret-999 too deep"
