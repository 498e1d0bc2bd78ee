import os
import re
import traceback
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from config import env
from tests.config.support import FERNET_KEY

CANARY: Final = "canary-0a5c4b"
_READ: Final = re.compile(
    r"\b(?:text|flag|number|words|url|database|email|choice|rate|networks|origins|app_url|raw|fernet_keys|issuer|storage)\(\s*\"([A-Z0-9_]+)\""
)
_DOCUMENTED: Final = re.compile(r"^# ([A-Z0-9_]+)=", re.MULTILINE)

type SetVariable = Callable[[str], None]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> SetVariable:
    """A function that sets the variable THING."""
    return lambda value: monkeypatch.setenv("THING", value)


NUMBER: Final = "THING is not a whole number from 0 to 2147483647."
REDIS: Final = "THING is not an address that starts with redis:// or rediss://."
RATE: Final = "THING is not a rate such as 1/min (per sec, min, hour, day)."
ORIGINS: Final = "THING is not a list of origins such as https://app.example.com."
APP_URL: Final = "THING is not an address such as https://app.example.com."
NETWORKS: Final = "THING is not a list of IP networks."
MAIL: Final = "THING is not an address such as smtp+tls://user:password@host:587."
DATABASE: Final = "THING is not the address of a PostgreSQL database."
POSTGRESQL: Final = "THING is not an address that starts with postgres:// or postgresql://."
FERNET: Final = "THING is not a comma-separated list of Fernet keys (44 characters of base64 each)."


def refusal(read: Callable[[], Any]) -> str:
    """Return the sentence with which the reader refuses, once its whole traceback is known to hold no value."""
    with pytest.raises(ImproperlyConfigured) as caught:
        read()
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


def test_a_variable_that_must_be_set_is_named() -> None:
    assert refusal(lambda: env.text("THING")).startswith("THING is not set.")


@pytest.mark.parametrize("value", ["", None])
def test_a_variable_that_is_not_set_or_empty_has_its_default(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is not None:
        monkeypatch.setenv("THING", value)

    assert env.text("THING", "default") == "default"
    assert env.number("THING", 5) == 5
    assert env.flag("THING", default=True) is True


@pytest.mark.parametrize("value", ["1", "true", "TRUE", "yes", "On", " true "])
def test_yes_is_understood(given: SetVariable, value: str) -> None:
    given(value)

    assert env.flag("THING") is True


@pytest.mark.parametrize("value", ["0", "false", "False", "no", "OFF"])
def test_no_is_understood(given: SetVariable, value: str) -> None:
    given(value)

    assert env.flag("THING") is False


@pytest.mark.parametrize(
    ("value", "read", "sentence"),
    [
        ("2", lambda: env.flag("THING"), "THING is not true or false."),
        ("maybe", lambda: env.flag("THING"), "THING is not true or false."),
        ("x", lambda: env.number("THING"), NUMBER),
        ("1.5", lambda: env.number("THING"), NUMBER),
        ("-1", lambda: env.number("THING"), NUMBER),
        ("2147483648", lambda: env.number("THING"), NUMBER),
        ("9" * 5_000, lambda: env.number("THING"), NUMBER),
        ("4", lambda: env.number("THING", minimum=5, maximum=6), "THING is not a whole number from 5 to 6."),
        ("c", lambda: env.choice("THING", ("a", "b")), "THING is not one of a, b."),
        ("A", lambda: env.choice("THING", ("a", "b")), "THING is not one of a, b."),
        ("http://x", lambda: env.url("THING", ("redis", "rediss")), REDIS),
        ("redis", lambda: env.url("THING", ("redis",)), "THING is not an address that starts with redis://."),
        ("10", lambda: env.rate("THING", "1/min"), RATE),
        ("10/week", lambda: env.rate("THING", "1/min"), RATE),
        ("0/min", lambda: env.rate("THING", "1/min"), RATE),
        ("x/min", lambda: env.rate("THING", "1/min"), RATE),
        ("1/min/day", lambda: env.rate("THING", "1/min"), RATE),
        ("10.0.0.0/33", lambda: env.networks("THING"), NETWORKS),
        ("10.0.0.1/8", lambda: env.networks("THING"), NETWORKS),
        ("localhost", lambda: env.networks("THING"), NETWORKS),
        *(
            (f"{value}{CANARY}", lambda: env.app_url("THING"), APP_URL)
            for value in (
                *("app.example.com/", "ftp://a.de/", "https:///", "https://a.de//", "https://u:p@a.de/"),
                *("https://a.de/?q=", "https://a.de/#", "https://a.de/ ", "https://a.de/\n", "javascript:"),
            )
        ),
        ("*", lambda: env.origins("THING"), ORIGINS),
        ("https://*.example.com", lambda: env.origins("THING"), ORIGINS),
        ("https://a.de/x", lambda: env.origins("THING"), ORIGINS),
        ("app.example.com", lambda: env.origins("THING"), ORIGINS),
        ("null", lambda: env.origins("THING"), ORIGINS),
        (f"mysql://u:{CANARY}@h/d", lambda: env.database("THING"), POSTGRESQL),
        (f"postgres://u:{CANARY}@h:x/d", lambda: env.database("THING"), DATABASE),
        (f"postgres://u:{CANARY}@[::1/d", lambda: env.database("THING"), DATABASE),
        (f"pop3://u:{CANARY}@h", lambda: env.email("THING"), MAIL),
        *(
            (value, lambda: env.email("THING"), MAIL)
            for value in (
                *(f"smtp://u:{CANARY}@h:x", f"smtp://u:{CANARY}@", f"smtp://:{CANARY}@h", f"smtp://{CANARY}@h"),
                *(f"smtp://u:1/{CANARY}@h", f"smtp://u:1?{CANARY}@h", f"smtp://u:1#{CANARY}@h"),
                *(f"{scheme}://u:{CANARY}@h" for scheme in ("smtps", "consolemail", "dummymail", "SMTP+")),
            )
        ),
        (CANARY, lambda: env.fernet_keys("THING"), FERNET),
        (f"{FERNET_KEY},{CANARY}", lambda: env.fernet_keys("THING"), FERNET),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name_and_never_shown(
    given: SetVariable, value: str, read: Callable[[], Any], sentence: str
) -> None:
    given(value)

    assert refusal(read) == sentence


@pytest.mark.parametrize(
    ("value", "read", "result"),
    [
        ("0", lambda: env.number("THING"), 0),
        ("b", lambda: env.choice("THING", ("a", "b")), "b"),
        ("a, b,,c ,", lambda: env.words("THING"), ["a", "b", "c"]),
        ("rediss://:p@h:1/2", lambda: env.url("THING", ("redis", "rediss")), "rediss://:p@h:1/2"),
        ("10/sec", lambda: env.rate("THING", "1/min"), (10, 1)),
        ("5/hour", lambda: env.rate("THING", "1/min"), (5, 3_600)),
        ("1000/day", lambda: env.rate("THING", "1/min"), (1_000, 86_400)),
        ("10.0.0.0/8, ::1", lambda: env.networks("THING"), [ip_network("10.0.0.0/8"), ip_network("::1/128")]),
        ("https://app.example.com", lambda: env.app_url("THING"), "https://app.example.com"),
        ("http://127.0.0.1:8000/", lambda: env.app_url("THING"), "http://127.0.0.1:8000"),
        (" https://a.de/my-app/v2 ", lambda: env.app_url("THING"), "https://a.de/my-app/v2"),
        ("https://a.de, http://b.de:8080", lambda: env.origins("THING"), ["https://a.de", "http://b.de:8080"]),
        ("https://App.Example.com", lambda: env.origins("THING"), ["https://app.example.com"]),
    ],
)
def test_a_value_is_read_as_what_it_is(given: SetVariable, value: str, read: Callable[[], Any], result: Any) -> None:
    given(value)

    assert read() == result


def test_the_default_of_a_rate_is_a_rate() -> None:
    assert env.rate("THING", "7/min") == (7, 60)


def test_an_address_of_a_database_is_taken_apart(given: SetVariable) -> None:
    given("postgres://ada:p%40ss@db.example.com:6543/things")

    database = env.database("THING")

    assert {name: database[name] for name in ("ENGINE", "USER", "PASSWORD", "HOST", "PORT", "NAME")} == {
        "ENGINE": "django.db.backends.postgresql",
        "USER": "ada",
        "PASSWORD": "p@ss",
        "HOST": "db.example.com",
        "PORT": 6543,
        "NAME": "things",
    }


@pytest.mark.parametrize(
    ("address", "port", "tls"),
    [
        ("smtp+tls://mail.example.com", 587, {"EMAIL_USE_TLS"}),
        ("smtp+ssl://mail.example.com", 465, {"EMAIL_USE_SSL"}),
        ("smtp://mail.example.com", 25, set()),
        ("smtp+tls://mail.example.com:2525/", 2525, {"EMAIL_USE_TLS"}),
    ],
)
def test_an_address_of_a_mail_server_says_its_port_and_when_tls_begins(
    given: SetVariable, address: str, port: int, tls: set[str]
) -> None:
    given(address)

    mail = env.email("THING")

    assert (mail["EMAIL_HOST"], mail["EMAIL_PORT"]) == ("mail.example.com", port)
    assert {name for name in ("EMAIL_USE_TLS", "EMAIL_USE_SSL") if mail.get(name)} == tls


@pytest.mark.parametrize(
    ("login", "user", "password"),
    [
        ("ada:secret@", "ada", "secret"),
        ("ada@example.com:p%40s%2Fs+%25@", "ada@example.com", "p@s/s+%"),
        ("", None, None),
    ],
)
def test_an_address_of_a_mail_server_says_who_logs_in(
    given: SetVariable, login: str, user: str | None, password: str | None
) -> None:
    given(f"smtp+tls://{login}mail.example.com:587")

    mail = env.email("THING")

    assert (mail["EMAIL_HOST_USER"], mail["EMAIL_HOST_PASSWORD"]) == (user, password)


def test_several_fernet_keys_keep_their_order(given: SetVariable) -> None:
    keys = [Fernet.generate_key().decode() for _ in range(3)]
    given(" , ".join(keys))

    assert env.fernet_keys("THING") == keys


def test_a_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from the file\n", encoding="utf-8")
    monkeypatch.setenv("THING_FILE", str(tmp_path / "secret"))

    assert env.text("THING") == "from the file"


def test_a_number_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "number").write_text("7\n", encoding="utf-8")
    monkeypatch.setenv("THING_FILE", str(tmp_path / "number"))

    assert env.number("THING") == 7


def test_a_file_fills_a_variable_that_is_empty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from the file", encoding="utf-8")
    monkeypatch.setenv("THING", "")
    monkeypatch.setenv("THING_FILE", str(tmp_path / "secret"))

    assert env.text("THING") == "from the file"


def test_an_empty_file_is_no_value(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(" \n", encoding="utf-8")
    monkeypatch.setenv("THING_FILE", str(tmp_path / "secret"))

    assert refusal(lambda: env.text("THING")).startswith("THING is not set.")


def test_a_variable_set_in_both_ways_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(CANARY, encoding="utf-8")
    monkeypatch.setenv("THING", CANARY)
    monkeypatch.setenv("THING_FILE", str(tmp_path / "secret"))

    assert refusal(lambda: env.text("THING")) == "THING is set twice: as THING and as THING_FILE. Keep one of them."


def test_a_file_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("THING_FILE", str(tmp_path / "nowhere"))

    assert refusal(lambda: env.text("THING")) == (
        "THING_FILE names a file that cannot be read: No such file or directory."
    )


def test_a_folder_is_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("THING_FILE", str(tmp_path))

    assert refusal(lambda: env.text("THING")) == "THING_FILE names a file that cannot be read: Is a directory."


def test_a_file_that_is_no_text_is_refused_without_its_bytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(CANARY.encode() + b"\xff\xfe")
    monkeypatch.setenv("THING_FILE", str(tmp_path / "secret"))

    assert refusal(lambda: env.text("THING")) == "THING_FILE names a file that cannot be read: it is not UTF-8 text."


GOOD_SECRET: Final = CANARY + "s" * 32


def key(kid: object = "a", secret: object = GOOD_SECRET, *, sign: object = True) -> str:
    parts = {"kid": kid, "secret": secret, "sign": sign}
    return "{" + ",".join(f'"{name}":{_json(value)}' for name, value in parts.items()) + "}"


def _json(value: object) -> str:
    return str(value).lower() if isinstance(value, bool | int) else f'"{value}"'


def test_one_secret_makes_one_key_that_is_named_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET", "a" * 32)
    (first,) = env.jwt_keys()
    monkeypatch.setenv("JWT_SECRET", "b" * 32)
    (second,) = env.jwt_keys()

    assert (first["secret"], first["sign"]) == ("a" * 32, True)
    assert first["kid"] != second["kid"]
    assert first["secret"] not in first["kid"]


def test_a_short_secret_is_refused_by_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET", CANARY + "s" * (31 - len(CANARY)))
    assert refusal(env.jwt_keys) == "JWT_SECRET is shorter than 32 bytes (RFC 7518, section 3.2)."

    monkeypatch.setenv("JWT_SECRET", "ä" * 16)
    assert len(env.jwt_keys()) == 1


def test_several_keys_verify_and_one_of_them_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_KEYS", f"[{key('new')},{key('old', sign=False)}]")

    assert [(entry["kid"], entry["sign"]) for entry in env.jwt_keys()] == [("new", True), ("old", False)]


def test_keys_and_a_secret_together_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_KEYS", f"[{key()}]")
    monkeypatch.setenv("JWT_SECRET", GOOD_SECRET)

    assert refusal(env.jwt_keys) == "JWT_KEYS and JWT_SECRET are both set. Keep one of them."


def test_neither_keys_nor_a_secret_is_refused() -> None:
    assert refusal(env.jwt_keys).startswith("JWT_SECRET is not set.")


@pytest.mark.parametrize(
    "value",
    [
        CANARY,
        "[]",
        "{}",
        "null",
        f'["{CANARY}"]',
        key(),
        f"[{key(sign=False)}]",
        f"[{key('a')},{key('b')}]",
        f"[{key('a')},{key('a', sign=False)}]",
        f"[{key(kid='')}]",
        f"[{key(kid='k' * 65)}]",
        f"[{key(kid=1)}]",
        f"[{key(secret='s' * 31)}]",
        f"[{key(secret=12345678901234567890123456789012)}]",
        f"[{key(sign=1)}]",
        f"[{key(sign='yes')}]",
        f'[{{"kid":"a","secret":"{GOOD_SECRET}"}}]',
        f'[{{"kid":"a","secret":"{GOOD_SECRET}","sign":true,"alg":"none"}}]',
        f'[{{"kid":"a","secret":"\\ud800{GOOD_SECRET}","sign":true}}]',
    ],
)
def test_keys_that_are_no_list_of_keys_are_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("JWT_KEYS", value)

    assert refusal(env.jwt_keys).startswith("JWT_KEYS is not a JSON list of {kid, secret, sign}")


def test_the_name_for_apps_has_no_colon(monkeypatch: pytest.MonkeyPatch) -> None:
    assert env.issuer("MFA_ISSUER", "Layerline") == "Layerline"
    monkeypatch.setenv("MFA_ISSUER", "Ada & Söhne")
    assert env.issuer("MFA_ISSUER", "Layerline") == "Ada & Söhne"

    monkeypatch.setenv("MFA_ISSUER", f"Ada: {CANARY}")
    assert refusal(lambda: env.issuer("MFA_ISSUER", "Layerline")) == "MFA_ISSUER is not a name without a colon."


def test_a_broken_line_of_the_dotenv_file_is_named_by_its_number_alone(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(f"# a comment\n\nGOOD=1\nSECRET_KEY {CANARY}\n", encoding="utf-8")

    assert refusal(lambda: env.read_dotenv(file)) == ".env, line 4: expected NAME=value or a # comment."
    assert "GOOD" not in os.environ


def test_a_dotenv_file_fills_what_is_not_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("THING_SET", "outside")
    # Taken away again with the test.
    monkeypatch.setenv("THING_NEW", "")
    monkeypatch.delenv("THING_NEW")
    file = tmp_path / ".env"
    file.write_text("THING_SET=inside\nexport THING_NEW=inside\n", encoding="utf-8")

    env.read_dotenv(file)

    assert (os.environ["THING_SET"], os.environ["THING_NEW"]) == ("outside", "inside")


def test_no_dotenv_file_is_no_error(tmp_path: Path) -> None:
    env.read_dotenv(tmp_path / ".env")


def test_every_variable_that_is_read_is_explained_and_no_other() -> None:
    root = env.PROJECT_ROOT
    sources = [path.read_text(encoding="utf-8") for path in (root / "config").rglob("*.py")]
    read = {name for source in sources for name in _READ.findall(source)}
    documented = set(_DOCUMENTED.findall((root / ".env.example").read_text(encoding="utf-8")))

    # PORT belongs to `make run`, which marks its programs by LAYERLINE_RUN; DEBUG is read only to be refused.
    assert documented - {"PORT"} == read - {"DEBUG", "LAYERLINE_RUN"}
    assert {"SECRET_KEY", "DATABASE_URL", "THROTTLE_LOGIN", "JWT_KEYS"} <= read
