"""Mail to people: multipart text and HTML from the templates beside this module, through Django's mail backend."""

import smtplib
from contextlib import suppress
from email.utils import parseaddr
from hashlib import sha256

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.smtp import EmailBackend as SmtpBackend
from django.db import connection
from django.template.loader import render_to_string

from infrastructure.email import messages
from infrastructure.email.messages import Message


class EmailError(Exception):
    """A mail was not handed over. The text names no recipient: it ends up in logs and in the outbox."""


class EmailService:
    """One method for each kind of mail. It is sent when the method returns; call it from a job.

    All take the same three arguments, and raise the same error:

    Args:
        to: One mail address, without a display name.
        name: What the person is called, shown as text.
        key: Names the sending, such as the outbox row's id: the same key makes the same Message-ID, by which
            mailboxes recognise a mail that was sent twice.

    Raises:
        EmailError: If the address is unusable, or the mail server did not take the mail.
    """

    @staticmethod
    def send_welcome(*, to: str, name: str, link: str, key: str | None = None) -> None:
        """Greet a person who just registered, and ask for a confirmation of the address."""
        _send(messages.welcome(name=name, link=link), to, key)

    @staticmethod
    def send_verification(*, to: str, name: str, link: str, key: str | None = None) -> None:
        """Ask once more for a confirmation of the address."""
        _send(messages.verification(name=name, link=link), to, key)

    @staticmethod
    def send_email_change(*, to: str, name: str, link: str, key: str | None = None) -> None:
        """Ask a new address for its confirmation."""
        _send(messages.email_change(name=name, link=link), to, key)

    @staticmethod
    def send_password_reset(*, to: str, name: str, link: str, key: str | None = None) -> None:
        """Send the way to a new password."""
        _send(messages.password_reset(name=name, link=link), to, key)

    @staticmethod
    def send_address_taken(*, to: str, name: str, key: str | None = None) -> None:
        """Tell a person that somebody entered the address, who may have been this very person."""
        _send(messages.address_taken(name=name), to, key)

    @staticmethod
    def send_security_notice(*, to: str, name: str, notice: str, key: str | None = None) -> None:
        """Tell a person what was done to the account.

        Args:
            notice: Which text: a key of NOTICES.
        """
        _send(messages.security_notice(name=name, notice=notice), to, key)


def compose(message: Message, *, to: str, key: str | None = None) -> EmailMultiAlternatives:
    """Return the mail in text and HTML, ready to be sent.

    Raises:
        EmailError: If the subject or the address holds a line break.
    """
    if any(character in "\r\n" for character in message.subject + to):
        raise EmailError("A subject or recipient with a line break could smuggle headers into the mail.")
    context = {**message.context, "subject": message.subject, "sender": messages.sender_name()}
    headers = {"Auto-Submitted": "auto-generated"}
    if key is not None:
        headers["Message-ID"] = _message_id(message.template, key)
    mail = EmailMultiAlternatives(
        subject=message.subject,
        body=render_to_string(f"email/{message.template}.txt", context),
        to=[to],
        headers=headers,
    )
    mail.attach_alternative(render_to_string(f"email/{message.template}.html", context), "text/html")
    return mail


def _send(message: Message, to: str, key: str | None) -> None:
    mail = compose(message, to=to, key=key)
    server = get_connection()
    try:
        server.open()
        _require_living_transaction()
        server.send_messages([mail])
    except smtplib.SMTPRecipientsRefused as error:
        codes = sorted({code for code, _ in error.recipients.values()})
        raise EmailError(f"SMTPRecipientsRefused {codes}") from None
    except smtplib.SMTPResponseException as error:
        raise EmailError(f"{type(error).__name__} {error.smtp_code}") from None
    except (OSError, ValueError) as error:
        raise EmailError(type(error).__name__) from None
    finally:
        _hang_up(server)


def _require_living_transaction() -> None:
    """Ask the database for a sign of life, at the last moment before the mail goes out.

    A worker that was frozen for a minute holds its job no longer, and another one has sent the mail.
    """
    if connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")


def _hang_up(server: BaseEmailBackend) -> None:
    """Say goodbye, and wait for no answer.

    What became of the mail is decided. A server that never comes to an end would hold the worker until that is killed,
    and a mail that was taken would be sent again.
    """
    if not isinstance(server, SmtpBackend):
        server.close()
        return
    # The second one did not get as far as a login.
    for connected in (server.connection, server._partial_connection):  # type: ignore[attr-defined]  # noqa: SLF001
        if connected is not None:
            with suppress(smtplib.SMTPServerDisconnected):
                connected.putcmd("quit")
            connected.close()


def _message_id(template: str, key: str) -> str:
    """Return the Message-ID (RFC 5322, section 3.6.4) of this kind of mail for this key."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
    # Hashed, so that a key of any characters makes a valid one and the row's id stays inside.
    return f"<{sha256(f'{template}:{key}'.encode()).hexdigest()[:32]}@{domain}>"
