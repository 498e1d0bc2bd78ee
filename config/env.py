"""The one reader of the environment: every setting that comes from outside comes through here.

Each reader names the variable in its error and never its value, which may be a secret.
Every variable may also come from a file: `NAME_FILE` holds the path (Docker and Kubernetes secrets).
"""

import json
import os
import re
from collections.abc import Callable, Sequence
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import unquote, urlsplit

import environ
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from layerline import dotenv

PROJECT_ROOT: Final = Path(__file__).resolve().parents[1]
REQUIRED: Final = object()
# An HMAC key shorter than its hash is guessable: RFC 7518, section 3.2.
JWT_SECRET_BYTES: Final = 32
# What the table of refresh tokens holds of it.
KEY_ID_LENGTH: Final = 64
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off"})
_MAIL_PORTS: Final = {"smtp+tls": 587, "smtp+ssl": 465, "smtp": 25}
_WINDOWS: Final = {"sec": 1, "min": 60, "hour": 3_600, "day": 86_400}
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?")
_APP_URL: Final = re.compile(rf"{_ORIGIN.pattern}(/[A-Za-z0-9._~-]+)*")


def fail(name: str, problem: str) -> NoReturn:
    """Refuse to start, naming the variable and never its value.

    Raises:
        ImproperlyConfigured: Always.
    """
    raise ImproperlyConfigured(f"{name} {problem}")


def read_dotenv(path: Path) -> None:
    """Put the assignments of a `.env` file into the environment; what is set already stays.

    Raises:
        ImproperlyConfigured: If the file is there and cannot be used.
    """
    try:
        dotenv.load(path)
    except dotenv.DotenvError as error:
        raise ImproperlyConfigured(str(error)) from None


def raw(name: str) -> str | None:
    """Return the variable's text, from the variable itself or from the file that `NAME_FILE` names.

    Raises:
        ImproperlyConfigured: If both are set, or the file cannot be read as UTF-8 text.
    """
    value = os.environ.get(name)
    path = os.environ.get(f"{name}_FILE")
    if not path:
        return value or None
    if value:
        fail(name, f"is set twice: as {name} and as {name}_FILE. Keep one of them.")
    try:
        return Path(path).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        fail(f"{name}_FILE", f"names a file that cannot be read: {reason}.")


def _read[T](name: str, default: Any, convert: Callable[[str], T], expected: str) -> T:
    value = raw(name)
    if value is None:
        if default is REQUIRED:
            fail(name, "is not set. .env.example tells what it means and what it looks like.")
        return default  # type: ignore[no-any-return]  # the caller's default is of the type it asks for
    try:
        return convert(value)
    except (ValueError, KeyError, ImproperlyConfigured):
        # The cause would carry the value into the traceback.
        raise ImproperlyConfigured(f"{name} is not {expected}.") from None


def text(name: str, default: Any = REQUIRED) -> str:
    """Return a text variable."""
    return _read(name, default, str, "a text")


def flag(name: str, default: Any = REQUIRED) -> bool:
    """Return a yes-or-no variable: 1, true, yes, on or 0, false, no, off."""

    def convert(value: str) -> bool:
        lowered = value.strip().lower()
        if lowered not in _TRUE | _FALSE:
            raise ValueError
        return lowered in _TRUE

    return _read(name, default, convert, "true or false")


def number(name: str, default: Any = REQUIRED, *, minimum: int = 0, maximum: int = 2**31 - 1) -> int:
    """Return a whole number from `minimum` to `maximum`, both included."""

    def convert(value: str) -> int:
        result = int(value)
        if not minimum <= result <= maximum:
            raise ValueError
        return result

    return _read(name, default, convert, f"a whole number from {minimum} to {maximum}")


def words(name: str, default: Any = REQUIRED) -> list[str]:
    """Return a comma-separated list, without blanks and empty entries."""
    return _read(name, default, lambda value: [word.strip() for word in value.split(",") if word.strip()], "a list")


def url(name: str, schemes: Sequence[str], default: Any = REQUIRED) -> str:
    """Return an address of one of the given schemes."""

    def convert(value: str) -> str:
        scheme, separator, _ = value.partition("://")
        if not separator or scheme not in schemes:
            raise ValueError
        return value

    return _read(name, default, convert, f"an address that starts with {' or '.join(f'{s}://' for s in schemes)}")


def database(name: str) -> dict[str, Any]:
    """Return Django's settings for the PostgreSQL server that the variable names."""
    address = url(name, ("postgres", "postgresql"))
    return _read(
        name, REQUIRED, lambda _: dict(environ.Env.db_url_config(address)), "the address of a PostgreSQL database"
    )


def email(name: str) -> dict[str, Any]:
    """Return Django's mail settings for an address such as `smtp+tls://user:password@host:587`.

    `smtp+tls` asks for TLS before anything is said, and says nothing without it (STARTTLS, RFC 3207); `smtp+ssl` is TLS
    from the first byte (RFC 8314); `smtp` has none. Other backends would take mails and send them nowhere.
    """

    def convert(value: str) -> dict[str, Any]:
        parts = urlsplit(value)
        # A slash or question mark that stands for itself in a password would make a host of its user.
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError
        settings = dict(environ.Env.email_url_config(value))
        # Django does not even try to log in with half of it.
        if not parts.hostname or bool(settings["EMAIL_HOST_USER"]) != bool(settings["EMAIL_HOST_PASSWORD"]):
            raise ValueError
        return {**settings, "EMAIL_PORT": parts.port or _MAIL_PORTS[parts.scheme]}

    return _read(name, REQUIRED, convert, "an address such as smtp+tls://user:password@host:587")


def storage(name: str, default_folder: Path) -> dict[str, Any]:
    """Return Django's setting for where files are kept: `file:///var/lib/layerline` or `s3://bucket/folder`.

    A bucket is reached by S3_ENDPOINT (AWS itself without one), S3_REGION, S3_KEY and S3_SECRET.

    Raises:
        ImproperlyConfigured: If it is neither, or a bucket's key is there without its secret.
    """
    parts = urlsplit(url(name, ("file", "s3"), f"file://{default_folder}"))
    if parts.scheme == "file":
        folder = unquote(parts.path)
        if parts.netloc or not Path(folder).is_absolute() or folder == "/":
            fail(name, "names no folder: write file:// and an absolute path, as in file:///var/lib/layerline.")
        return {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": folder, "file_permissions_mode": 0o600, "directory_permissions_mode": 0o700},
        }
    if not parts.netloc:
        fail(name, "names no bucket, as in s3://bucket/folder.")
    if (raw("S3_KEY") is None) != (raw("S3_SECRET") is None):
        fail("S3_SECRET", "and S3_KEY belong together: set both, or none where the machine itself has the right.")
    return {
        "BACKEND": "infrastructure.buckets.PrivateBucket",
        "OPTIONS": {
            "bucket_name": parts.netloc,
            "location": parts.path.strip("/"),
            "endpoint_url": raw("S3_ENDPOINT"),
            "region_name": text("S3_REGION", "us-east-1"),
            "access_key": raw("S3_KEY"),
            "secret_key": raw("S3_SECRET"),
        },
    }


def choice(name: str, choices: Sequence[str], default: Any = REQUIRED) -> str:
    """Return one of the given words."""

    def convert(value: str) -> str:
        return choices[choices.index(value)]

    return _read(name, default, convert, f"one of {', '.join(choices)}")


def rate(name: str, default: str) -> tuple[int, int]:
    """Return a limit such as `10/min` as the number of requests and the window in seconds."""

    def convert(value: str) -> tuple[int, int]:
        count, unit = value.split("/")
        if int(count) < 1:
            raise ValueError
        return int(count), _WINDOWS[unit]

    return _read(name, convert(default), convert, f"a rate such as {default} (per {', '.join(_WINDOWS)})")


def networks(name: str, default: Any = REQUIRED) -> list[IPv4Network | IPv6Network]:
    """Return a comma-separated list of addresses and networks, such as `10.0.0.0/8,::1`."""
    return _read(
        name, default, lambda value: [ip_network(word.strip()) for word in value.split(",")], "a list of IP networks"
    )


def origins(name: str, default: Any = REQUIRED) -> list[str]:
    """Return a comma-separated list of origins, such as `https://app.example.com`, without path and wildcard."""

    def convert(value: str) -> list[str]:
        # As browsers write them.
        result = [word.strip().lower() for word in value.split(",") if word.strip()]
        if not all(_ORIGIN.fullmatch(origin) for origin in result):
            raise ValueError
        return result

    return _read(name, default, convert, "a list of origins such as https://app.example.com")


def app_url(name: str, default: Any = REQUIRED) -> str:
    """Return the address of an application, with or without a path, such as `https://app.example.com`."""

    def convert(value: str) -> str:
        address = value.strip().rstrip("/")
        if not _APP_URL.fullmatch(address):
            raise ValueError
        return address

    return _read(name, default, convert, "an address such as https://app.example.com")


def issuer(name: str, default: str) -> str:
    """Return a name for authenticator apps, in whose addresses a colon ends it."""

    def convert(value: str) -> str:
        if ":" in value:
            raise ValueError
        return value

    return _read(name, default, convert, "a name without a colon")


def jwt_keys(default_secret: str | None = None) -> list[dict[str, Any]]:
    """Return the signing keys: `JWT_KEYS`, a JSON list of `{kid, secret, sign}`, or one key made of `JWT_SECRET`.

    Raises:
        ImproperlyConfigured: If neither is set, both are, or the list is not one where exactly one key signs.
    """
    if raw("JWT_KEYS") is None:
        secret = text("JWT_SECRET", REQUIRED if default_secret is None else default_secret)
        if len(secret.encode()) < JWT_SECRET_BYTES:
            fail("JWT_SECRET", f"is shorter than {JWT_SECRET_BYTES} bytes (RFC 7518, section 3.2).")
        # The name must follow the secret, or a new secret would be tried on tokens of the old one.
        return [{"kid": sha256(secret.encode()).hexdigest()[:8], "secret": secret, "sign": True}]
    if raw("JWT_SECRET") is not None:
        fail("JWT_KEYS", "and JWT_SECRET are both set. Keep one of them.")

    def convert(value: str) -> list[dict[str, Any]]:
        keys = json.loads(value)
        well_formed = isinstance(keys, list) and all(
            isinstance(key, dict)
            and set(key) == {"kid", "secret", "sign"}
            and isinstance(key["kid"], str)
            and 0 < len(key["kid"]) <= KEY_ID_LENGTH
            and isinstance(key["secret"], str)
            and len(key["secret"].encode()) >= JWT_SECRET_BYTES
            and isinstance(key["sign"], bool)
            for key in keys
        )
        if not well_formed or len({key["kid"] for key in keys}) != len(keys) or sum(key["sign"] for key in keys) != 1:
            raise ValueError
        return list(keys)

    expected = (
        "a JSON list of {kid, secret, sign} with different kids of 64 characters at most, "
        "secrets of 32 bytes or more, of which exactly one signs"
    )
    return _read("JWT_KEYS", REQUIRED, convert, expected)


def fernet_keys(name: str, default: Any = REQUIRED) -> list[str]:
    """Return a comma-separated list of Fernet keys; the first encrypts, all decrypt."""

    def convert(value: str) -> list[str]:
        keys = [key.strip() for key in value.split(",")]
        for key in keys:
            Fernet(key)
        return keys

    return _read(name, default, convert, "a comma-separated list of Fernet keys (44 characters of base64 each)")
