"""What production refuses to start on. Each refusal names the variable and never its value."""

import re
from base64 import urlsafe_b64decode
from collections import Counter
from typing import Any, Final
from urllib.parse import urlsplit

from config import env

EMBEDDED_USER: Final = "layerline_dev"
_SECRET_KEY_LENGTH: Final = 50
_PLACEHOLDER: Final = re.compile(
    r"change.?me|placeholder|example|insecure|local.?only|test.?only|your.?secret|x{5}", re.IGNORECASE
)
# A secret of fewer is a pattern somebody typed.
_DIFFERENT_CHARACTERS: Final = 10


def refuse_unsafe(settings: dict[str, Any]) -> None:
    """Check the settings of a production process.

    Raises:
        ImproperlyConfigured: On a short, repeated or placeholder secret, on DEBUG, on the embedded
            PostgreSQL or Valkey, on a wildcard host, on tokens in addresses, on an application without TLS.
    """
    if env.flag("DEBUG", default=False) or settings["DEBUG"]:
        env.fail("DEBUG", "is on. Production shows nothing of the inside.")
    if len(settings["SECRET_KEY"]) < _SECRET_KEY_LENGTH:
        env.fail("SECRET_KEY", f"is shorter than {_SECRET_KEY_LENGTH} characters.")
    if not settings["ALLOWED_HOSTS"]:
        env.fail("ALLOWED_HOSTS", "names no host.")
    if any("*" in host or host.startswith(".") for host in settings["ALLOWED_HOSTS"]):
        env.fail("ALLOWED_HOSTS", "holds a wildcard. Name each host.")
    if settings["DATABASES"]["default"]["USER"] == EMBEDDED_USER:
        env.fail("DATABASE_URL", "names the embedded PostgreSQL, which is for development only.")
    for name, address in {"REDIS_URL": settings["REDIS_URL"], "BROKER_URL": settings["CELERY_BROKER_URL"]}.items():
        if urlsplit(address).username == EMBEDDED_USER:
            env.fail(name, "names the embedded Valkey, which is for development only.")
    if settings["WEBSOCKET_QUERY_TOKEN"]:
        env.fail("WEBSOCKET_QUERY_TOKEN", "is on. An address stands in logs, and so would the tokens in it.")
    if not settings["APP_URL"].startswith("https://"):
        env.fail("APP_URL", "is not an address of https://. The links of mails lead there, with their tokens.")
    _refuse_weak_secrets(settings)


def _refuse_weak_secrets(settings: dict[str, Any]) -> None:
    jwt_variable = "JWT_KEYS" if env.raw("JWT_KEYS") else "JWT_SECRET"
    secrets = [("SECRET_KEY", settings["SECRET_KEY"])]
    secrets += [(jwt_variable, key["secret"]) for key in settings["JWT_KEYS"]]
    secrets += [("FIELD_ENCRYPTION_KEYS", key) for key in settings["FIELD_ENCRYPTION_KEYS"]]
    for key in settings["FIELD_ENCRYPTION_KEYS"]:
        # 32 random bytes are; a pass phrase, padded with zeros or not, and the key of local use are not.
        if urlsafe_b64decode(key).isascii():
            env.fail("FIELD_ENCRYPTION_KEYS", "holds a text in base64 where a random key should be.")
    uses = Counter(secret for _, secret in secrets)
    for name, secret in secrets:
        if _PLACEHOLDER.search(secret):
            env.fail(name, "is a placeholder. `openssl rand -base64 48` makes a real one.")
        if len(set(secret)) < _DIFFERENT_CHARACTERS:
            env.fail(name, "repeats the same few characters. `openssl rand -base64 48` makes a real one.")
        if uses[secret] > 1:
            env.fail(name, "is used for a second purpose as well. Every secret has one.")
