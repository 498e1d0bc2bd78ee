"""Mail to people: multipart text and HTML from the templates beside this module, through Django's mail backend."""

import smtplib
from collections.abc import Mapping
from email.utils import parseaddr
from hashlib import sha256
from typing import Final

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

# What each notice says: its headline, and what happened. What to do about it is the same for all.
NOTICES: Final = {
    "token_reused": (
        "a session was ended",
        "A token of one of your sessions was used twice: somebody may have copied it. Only that session was ended.",
    ),
    "login_failures": (
        "many failed attempts to sign in",
        "Somebody tries to sign in to your account with wrong passwords. Attempts are slowed down; you can sign in.",
    ),
    "password_changed": ("your password was changed", "The password of your account was changed."),
    "email_changed": (
        "your address was changed",
        "The address of your account was changed. This mail goes to the former one for the last time.",
    ),
    "mfa_enabled": (
        "a second factor was set up",
        "From now on your account asks for a code of your app when somebody signs in.",
    ),
    "mfa_disabled": (
        "the second factor was turned off",
        "Your account no longer asks for a code when somebody signs in.",
    ),
    "recovery_code_used": (
        "a recovery code was used",
        "Somebody signed in to your account with the password and a recovery code.",
    ),
}


class EmailError(Exception):
    """A mail was not handed over. The text names no recipient: it ends up in logs and in the outbox."""


class EmailService:
    """One method for each kind of mail. It is sent when the method returns; call it from a job."""

    @staticmethod
    def send_welcome(*, to: str, name: str, key: str | None = None) -> None:
        """Greet a person who just registered.

        Args:
            to: One mail address, without a display name.
            name: What the person is called, shown as text.
            key: Names the sending, such as the outbox row's id: the same key makes the same Message-ID, by which
                mailboxes recognise a mail that was sent twice.

        Raises:
            EmailError: If the address is unusable, or the mail server did not take the mail.
        """
        EmailService._send(
            template="welcome", subject=f"Welcome to {_sender_name()}", to=to, context={"name": name}, key=key
        )

    @staticmethod
    def send_security_notice(*, to: str, name: str, notice: str, key: str | None = None) -> None:
        """Tell a person what was done to the account.

        Args:
            notice: Which text: a key of NOTICES.

        Raises:
            EmailError: As for `send_welcome`.
        """
        headline, text = NOTICES[notice]
        EmailService._send(
            template="notice",
            subject=f"{_sender_name()}: {headline}",
            to=to,
            context={"name": name, "headline": headline, "text": text},
            key=key,
        )

    @staticmethod
    def _send(*, template: str, subject: str, to: str, context: Mapping[str, object], key: str | None) -> None:
        if any(character in "\r\n" for character in subject + to):
            raise EmailError("A subject or recipient with a line break could smuggle headers into the mail.")
        full_context = {**context, "subject": subject, "sender": _sender_name()}
        headers = {"Auto-Submitted": "auto-generated"}
        if key is not None:
            headers["Message-ID"] = _message_id(template, key)
        message = EmailMultiAlternatives(
            subject=subject,
            body=render_to_string(f"email/{template}.txt", full_context),
            to=[to],
            headers=headers,
        )
        message.attach_alternative(render_to_string(f"email/{template}.html", full_context), "text/html")
        try:
            message.send()
        except smtplib.SMTPRecipientsRefused as error:
            codes = sorted({code for code, _ in error.recipients.values()})
            raise EmailError(f"SMTPRecipientsRefused {codes}") from None
        except smtplib.SMTPResponseException as error:
            raise EmailError(f"{type(error).__name__} {error.smtp_code}") from None
        except (OSError, ValueError) as error:
            raise EmailError(type(error).__name__) from None


def _sender_name() -> str:
    name, address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    return name or address.rpartition("@")[2]


def _message_id(template: str, key: str) -> str:
    """Return the Message-ID (RFC 5322, section 3.6.4) of this kind of mail for this key."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
    # Hashed, so that a key of any characters makes a valid one and the row's id stays inside.
    return f"<{sha256(f'{template}:{key}'.encode()).hexdigest()[:32]}@{domain}>"
