import json
import secrets
from argparse import ArgumentParser
from typing import Any, Final

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.users.selectors import SigningKeySelector

# 256 bits.
_BYTES: Final = 32

type Key = dict[str, Any]


class Command(BaseCommand):
    """Prints secrets and stores none: they stand alone on standard output, what is said of them on standard error."""

    help = (
        "Print JWT_KEYS with a fresh signing key beside the present ones, which go on verifying. "
        "The old secrets stand in it too, or every token of theirs would die."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        ways = parser.add_mutually_exclusive_group()
        ways.add_argument(
            "--wait",
            action="store_true",
            help="the fresh key only verifies yet: several servers must all know it before one of them signs with it",
        )
        ways.add_argument("--sign", metavar="KID", help="no fresh key: let this one of the present ones sign")
        ways.add_argument(
            "--retire", action="store_true", help="no fresh key: leave out the old ones whose last token has expired"
        )
        ways.add_argument("--first", action="store_true", help="all secrets of a first deployment")

    def handle(self, *, wait: bool, sign: str | None, retire: bool, first: bool, **_: Any) -> None:
        if self.stdout.isatty():
            self._note("Secrets follow, and a terminal keeps what it shows. Better send them to a secret store.")
        if first:
            self._print("SECRET_KEY", _new_secret())
            self._print("JWT_SECRET", _new_secret())
            self._print("FIELD_ENCRYPTION_KEYS", Fernet.generate_key().decode("ascii"))
            return
        if settings.DEBUG:
            self._note("These are keys of local use. Run it where the deployment's own JWT_KEYS or JWT_SECRET is set.")
        self._print("JWT_KEYS", json.dumps(self._keys(wait=wait, sign=sign, retire=retire)))
        self._note("Set it in the place of JWT_KEYS or JWT_SECRET, and restart.")

    def _keys(self, *, wait: bool, sign: str | None, retire: bool) -> list[Key]:
        present: list[Key] = settings.JWT_KEYS
        if retire:
            return self._in_use(present)
        if sign is not None:
            return _signing(present, sign)
        kid = f"{timezone.now():%Y-%m-%d}-{secrets.token_hex(4)}"
        keys = [{"kid": kid, "secret": _new_secret(), "sign": False}, *present]
        return keys if wait else _signing(keys, kid)

    def _in_use(self, keys: list[Key]) -> list[Key]:
        needed_until = SigningKeySelector.in_use()
        for kid in (key["kid"] for key in keys if not key["sign"]):
            if kid in needed_until:
                self._note(f"{kid} stays: its last token expires at {needed_until[kid]:%Y-%m-%d %H:%M} UTC.")
            else:
                self._note(f"{kid} goes: none of its tokens is left.")
        return [key for key in keys if key["sign"] or key["kid"] in needed_until]

    def _print(self, name: str, value: str) -> None:
        self.stdout.write(f"{name}={value}")

    def _note(self, text: str) -> None:
        self.stderr.write(text)


def _new_secret() -> str:
    # No character of it means anything to a shell, a .env or YAML.
    return secrets.token_hex(_BYTES)


def _signing(keys: list[Key], kid: str) -> list[Key]:
    known = [key["kid"] for key in keys]
    if kid not in known:
        raise CommandError(f"There is no key {kid}. There are {', '.join(known)}.")
    return [key | {"sign": key["kid"] == kid} for key in keys]
