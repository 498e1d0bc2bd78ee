from base64 import b32decode, b32encode
from datetime import UTC, datetime
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from pytest_django import Settings

from infrastructure import totp

SECRET = b32encode(b"12345678901234567890").decode()


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


# RFC 6238, appendix B: the last six of its eight digits.
@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ],
)
def test_the_codes_are_those_of_the_rfc(seconds: int, code: str) -> None:
    assert totp.matching_step(SECRET, code, now=_at(seconds)) == seconds // 30


@pytest.mark.parametrize(
    ("seconds", "taken"),
    [(-31, False), (-30, True), (0, True), (29.9, True), (59.9, True), (60, False), (9_999, False)],
)
def test_a_code_is_taken_from_one_step_before_its_own_to_one_after(seconds: float, *, taken: bool) -> None:
    step = totp.matching_step(SECRET, "005924", now=_at(1_234_567_890 + seconds))

    assert step == (1_234_567_890 // 30 if taken else None)


def test_no_code_is_taken_twice_nor_after_a_newer_one() -> None:
    now, step = _at(1_234_567_890), 1_234_567_890 // 30

    assert totp.matching_step(SECRET, "005924", now=now, after=step - 1) == step
    assert totp.matching_step(SECRET, "005924", now=now, after=step) is None
    assert totp.matching_step(SECRET, "005924", now=now, after=step + 1) is None


@pytest.mark.parametrize("code", ["", "287083", "28708", "2870820", " 287082", "٢٨٧٠٨٢", "28708\ud800", "\x00" * 6])
def test_anything_else_is_no_code(code: str) -> None:
    assert totp.matching_step(SECRET, code, now=_at(59)) is None


def test_a_secret_is_160_random_bits_and_can_be_typed() -> None:
    secrets = {totp.new_secret() for _ in range(100)}

    assert len(secrets) == 100
    assert {len(b32decode(secret)) for secret in secrets} == {20}
    assert all(secret.isalnum() and secret.isascii() and secret.isupper() for secret in secrets)


def test_the_address_tells_an_app_all_it_needs() -> None:
    assert totp.otpauth_uri(SECRET, account="ada@example.com") == (
        f"otpauth://totp/Layerline:ada%40example.com?digits=6&secret={SECRET}&algorithm=SHA1&issuer=Layerline&period=30"
    )


def test_odd_names_keep_their_spelling_in_the_address(settings: Settings) -> None:
    settings.MFA_ISSUER = "Ärger & Söhne + 1"

    address = urlsplit(totp.otpauth_uri(SECRET, account="ada+test@exämple.com"))

    assert unquote(address.path) == "/Ärger & Söhne + 1:ada+test@exämple.com"
    assert parse_qs(address.query)["issuer"] == ["Ärger & Söhne + 1"]
    # An app that takes the address as RFC 3986 has it would show a plus as a plus.
    assert "+" not in address.query + address.path
