import json
from base64 import urlsafe_b64encode
from typing import Final

import pytest

from tests.config.support import FERNET_KEY, JWT_SECRET, OTHER_FERNET_KEY, SECRET, environment, start_production

LOCAL_SECRET: Final = "layerline-local-only-secret-never-use-it-in-production"
PADDED_KEY: Final = urlsafe_b64encode(b"a pass phrase, 28 bytes long".ljust(32, b"\0")).decode()
ZERO_KEY: Final = urlsafe_b64encode(bytes(32)).decode()


def keys(*secrets: str) -> str:
    return json.dumps([{"kid": str(n), "secret": secret, "sign": n == 0} for n, secret in enumerate(secrets)])


type Case = tuple[dict[str, str | None], str]

REFUSED: Final[dict[str, Case]] = {
    **{
        f"no {name}": ({name: None}, f"{name} is not set.")
        for name in (
            "DATABASE_URL",
            "REDIS_URL",
            "SECRET_KEY",
            "JWT_SECRET",
            "FIELD_ENCRYPTION_KEYS",
            "ALLOWED_HOSTS",
            "APP_URL",
            "DEFAULT_FROM_EMAIL",
            "EMAIL_URL",
        )
    },
    **{
        f"an empty {name}": ({name: ""}, f"{name} is not set.")
        for name in ("SECRET_KEY", "JWT_SECRET", "FIELD_ENCRYPTION_KEYS", "ALLOWED_HOSTS")
    },
    "a blank SECRET_KEY": ({"SECRET_KEY": " " * 9}, "SECRET_KEY is shorter than 50 characters."),
    "a SECRET_KEY of 49 characters": ({"SECRET_KEY": SECRET[:49]}, "SECRET_KEY is shorter than 50 characters."),
    "a JWT_SECRET of 31 bytes": ({"JWT_SECRET": JWT_SECRET[:31]}, "JWT_SECRET is shorter than 32 bytes"),
    "a short Fernet key": (
        {"FIELD_ENCRYPTION_KEYS": FERNET_KEY[:40]},
        "FIELD_ENCRYPTION_KEYS is not a comma-separated",
    ),
    "a Fernet key padded with zeros": ({"FIELD_ENCRYPTION_KEYS": PADDED_KEY}, "FIELD_ENCRYPTION_KEYS holds a text"),
    "a second Fernet key padded with zeros": (
        {"FIELD_ENCRYPTION_KEYS": f"{FERNET_KEY},{PADDED_KEY}"},
        "FIELD_ENCRYPTION_KEYS holds a text",
    ),
    "a Fernet key of zeros": ({"FIELD_ENCRYPTION_KEYS": ZERO_KEY}, "FIELD_ENCRYPTION_KEYS holds a text"),
    "a short key among JWT_KEYS": (
        {"JWT_SECRET": None, "JWT_KEYS": keys(JWT_SECRET, JWT_SECRET[:31])},
        "JWT_KEYS is not a JSON list",
    ),
    "JWT_KEYS beside JWT_SECRET": ({"JWT_KEYS": keys(SECRET)}, "JWT_KEYS and JWT_SECRET are both set."),
    "the local SECRET_KEY": ({"SECRET_KEY": LOCAL_SECRET}, "SECRET_KEY is a placeholder."),
    "the local JWT_SECRET": ({"JWT_SECRET": LOCAL_SECRET}, "JWT_SECRET is a placeholder."),
    "the local Fernet key": (
        {"FIELD_ENCRYPTION_KEYS": "bGF5ZXJsaW5lLWxvY2FsLW9ubHktbmV2ZXItdXNlLWk="},
        "FIELD_ENCRYPTION_KEYS holds a text",
    ),
    "Django's own SECRET_KEY": ({"SECRET_KEY": f"django-insecure-{SECRET}"}, "SECRET_KEY is a placeholder."),
    "a SECRET_KEY to be changed": ({"SECRET_KEY": f"Change-Me-{SECRET}"}, "SECRET_KEY is a placeholder."),
    "a JWT_SECRET from an example": ({"JWT_SECRET": f"example-{JWT_SECRET}"}, "JWT_SECRET is a placeholder."),
    "a placeholder among JWT_KEYS": (
        {"JWT_SECRET": None, "JWT_KEYS": keys(JWT_SECRET, f"changeme{JWT_SECRET}")},
        "JWT_KEYS is a placeholder.",
    ),
    "one character again and again": ({"SECRET_KEY": "a" * 60}, "SECRET_KEY repeats the same few characters."),
    "a pattern of few characters": ({"JWT_SECRET": "abc123" * 8}, "JWT_SECRET repeats the same few characters."),
    "one secret for two purposes": ({"JWT_SECRET": SECRET}, "SECRET_KEY is used for a second purpose as well."),
    "one secret as two JWT_KEYS": (
        {"JWT_SECRET": None, "JWT_KEYS": keys(JWT_SECRET, JWT_SECRET)},
        "JWT_KEYS is used for a second purpose as well.",
    ),
    "one Fernet key twice": (
        {"FIELD_ENCRYPTION_KEYS": f"{FERNET_KEY},{FERNET_KEY}"},
        "FIELD_ENCRYPTION_KEYS is used for a second purpose as well.",
    ),
    **{f"DEBUG={word}": ({"DEBUG": word}, "DEBUG is on.") for word in ("1", "true", "yes", "On")},
    "a DEBUG that is neither": ({"DEBUG": "maybe"}, "DEBUG is not true or false."),
    "every host": ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS holds a wildcard."),
    "every host beside one": ({"ALLOWED_HOSTS": "api.internal,*"}, "ALLOWED_HOSTS holds a wildcard."),
    "every host below one": ({"ALLOWED_HOSTS": "*.internal"}, "ALLOWED_HOSTS holds a wildcard."),
    "every host below one, as Django writes it": ({"ALLOWED_HOSTS": ".internal"}, "ALLOWED_HOSTS holds a wildcard."),
    "no host but commas": ({"ALLOWED_HOSTS": " , "}, "ALLOWED_HOSTS names no host."),
    "an application without TLS": ({"APP_URL": "http://app.internal"}, "APP_URL is not an address of https://."),
    "an application with a query": ({"APP_URL": "https://app.internal/?a=b"}, "APP_URL is not an address such as"),
    "tokens in addresses of sockets": ({"WEBSOCKET_QUERY_TOKEN": "true"}, "WEBSOCKET_QUERY_TOKEN is on."),
    "every origin": ({"CORS_ALLOWED_ORIGINS": "*"}, "CORS_ALLOWED_ORIGINS is not a list of origins"),
    **{
        f"sockets of {origin}": (
            {"WEBSOCKET_ALLOWED_ORIGINS": origin},
            "WEBSOCKET_ALLOWED_ORIGINS is not a list of origins",
        )
        for origin in ("*", "https://*.example.com", "null", "https://app.example.com,*")
    },
    "the embedded PostgreSQL": (
        {"DATABASE_URL": "postgres://layerline_dev:pw-canary@127.0.0.1:5433/layerline"},
        "DATABASE_URL names the embedded PostgreSQL",
    ),
    "the embedded Valkey": (
        {"REDIS_URL": "redis://layerline_dev:pw-canary@127.0.0.1:6380/0"},
        "REDIS_URL names the embedded Valkey",
    ),
    "the embedded Valkey as broker": (
        {"BROKER_URL": "redis://layerline_dev:pw-canary@127.0.0.1:6380/0"},
        "BROKER_URL names the embedded Valkey",
    ),
    "a broker of another kind": ({"BROKER_URL": "amqp://u:pw-canary@h/"}, "BROKER_URL is not an address that starts"),
    "a SENTRY_DSN without a key": ({"SENTRY_DSN": "https://canary.internal/1"}, "SENTRY_DSN is not an address such as"),
    "a SENTRY_DSN of another kind": ({"SENTRY_DSN": "ftp://canary@h/1"}, "SENTRY_DSN is not an address that starts"),
    "SQLite": ({"DATABASE_URL": "sqlite:///db.sqlite3"}, "DATABASE_URL is not an address that starts"),
}

STARTS: Final[dict[str, dict[str, str | None]]] = {
    "as it should be": {},
    "several JWT_KEYS": {"JWT_SECRET": None, "JWT_KEYS": keys(JWT_SECRET, JWT_SECRET[::-1])},
    "several Fernet keys": {"FIELD_ENCRYPTION_KEYS": f"{OTHER_FERNET_KEY}, {FERNET_KEY}"},
    "sockets of one origin": {"WEBSOCKET_ALLOWED_ORIGINS": "https://app.internal"},
    "DEBUG=false": {"DEBUG": "false"},
    "an application below a path": {"APP_URL": "https://www.internal:8443/app/"},
    "a SECRET_KEY of 50 characters": {"SECRET_KEY": SECRET[:50]},
    "a hexadecimal SECRET_KEY": {"SECRET_KEY": "0f1e2d3c4b5a69788796a5b4c3d2e1f0" * 2},
    "a SENTRY_DSN": {"SENTRY_DSN": "https://canary@sentry.internal/1"},
    # `openssl rand -base64 48` writes such a thing once in five hundred times.
    "a secret with three x in a row": {"JWT_SECRET": f"{JWT_SECRET}xXx"},
}


@pytest.fixture(scope="module")
def outcomes() -> dict[str, tuple[str | None, str | None]]:
    """What became of every case: the refusal and its traceback."""
    changes = {**{name: case[0] for name, case in REFUSED.items()}, **STARTS}
    return dict(zip(changes, start_production([environment(change) for change in changes.values()]), strict=True))


@pytest.mark.parametrize("name", REFUSED)
def test_production_refuses_and_names_the_variable_and_never_its_value(
    outcomes: dict[str, tuple[str | None, str | None]], name: str
) -> None:
    changes, sentence = REFUSED[name]
    refusal, trace = outcomes[name]

    assert refusal is not None
    assert refusal.startswith(sentence)
    values = [value for value in environment(changes).values() if len(value.strip()) > 8]
    assert values
    assert [value for value in [*values, "canary"] if value in f"{trace}"] == []


@pytest.mark.parametrize("name", STARTS)
def test_production_starts(outcomes: dict[str, tuple[str | None, str | None]], name: str) -> None:
    assert outcomes[name] == (None, None)
