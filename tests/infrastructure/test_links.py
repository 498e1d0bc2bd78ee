import string
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from pytest_django import Settings
from uuid6 import uuid7

from infrastructure.links import LENGTH, LinkError, LinkToken

USER: Final = UUID("01a214ee-abf6-7fbd-9025-df497eed60bf")
JOB: Final = UUID("01a214ee-abf7-79b1-aaba-e02cfbe45cc7")
MADE_FOR: Final[dict[str, Any]] = {"purpose": "reset", "user_id": USER, "job_id": JOB, "state": ["hash", "address"]}
ALPHABET: Final = string.ascii_letters + string.digits + "-_"


def _text(**changes: Any) -> str:
    return LinkToken.sign(**(MADE_FOR | changes)).encode()


def _fits(text: str, *, purpose: str = "reset", state: tuple[str, ...] = ("hash", "address")) -> bool:
    return LinkToken.parse(text).fits(purpose=purpose, state=state)


def test_the_same_job_makes_the_same_token_and_it_fits() -> None:
    assert _text() == _text()
    assert _fits(_text())
    assert len(_text()) == LENGTH


def test_a_token_names_its_account_and_its_job_and_shows_its_signature_to_no_log() -> None:
    token = LinkToken.parse(_text())

    assert (token.user_id, token.job_id) == (USER, JOB)
    assert token.encode() not in f"{token} {token!r}"
    assert "signature" not in repr(token)


@pytest.mark.parametrize(
    "changes",
    [
        {"purpose": "verify"},
        {"state": ["other", "address"]},
        {"state": ["hash", "other"]},
        {"state": ["hash"]},
        {"state": ["hash", "address", ""]},
        {"state": ["hashaddress"]},
        {"state": ["hash", 'address", "']},
        {"purpose": 'reset", "hash'},
    ],
)
def test_it_fits_nothing_but_what_it_was_made_for(changes: dict[str, Any]) -> None:
    assert not _fits(_text(**changes))


def test_the_ids_are_signed() -> None:
    token = LinkToken.parse(_text())

    for moved in (LinkToken(uuid4(), JOB, token.signature), LinkToken(USER, uuid7(), token.signature)):
        assert not moved.fits(purpose="reset", state=["hash", "address"])


def test_another_secret_key_makes_another_token(settings: Settings) -> None:
    text = _text()
    settings.SECRET_KEY = "another one " * 5

    assert not _fits(text)


@pytest.mark.parametrize("place", [0, 21, 22, 42, 43, 60, 84])
def test_a_change_of_any_character_is_noticed(place: int) -> None:
    text = _text()
    other = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]

    assert not _fits(other)


def test_the_last_character_has_one_spelling() -> None:
    # Its last four bits carry nothing: 16 characters would decode to the same bytes.
    text = _text()
    read = []
    for last in ALPHABET:
        try:
            read.append(_fits(text[:-1] + last))
        except LinkError:
            continue

    assert sorted(read) == [False] * 3 + [True]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        _text()[:-1],
        _text() + "A",
        _text() + "=",
        _text() + "==",
        _text() + "\n",
        " " + _text()[1:],
        _text()[:-1] + "+",
        _text()[:-1] + "/",
        _text()[:-1] + "é",
        "\u0661" * LENGTH,
        "A" * 100_000,
    ],
)
def test_what_has_another_shape_is_no_token(text: str) -> None:
    with pytest.raises(LinkError):
        LinkToken.parse(text)


def test_its_age_is_that_of_its_job() -> None:
    moment = datetime(2026, 3, 1, 12, 30, 15, 123_000, tzinfo=UTC)
    job_id = UUID(int=(int(moment.timestamp() * 1_000) << 80) | (0x7 << 76) | (0b10 << 62) | 5)

    assert job_id.version == uuid7().version
    assert LinkToken.parse(_text(job_id=job_id)).issued_at == moment
