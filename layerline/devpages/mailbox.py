"""The local mailbox: a mail backend that stores every mail as a file, and what reads those files again."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from pathlib import Path
from typing import Final

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from layerline.devpages.folder import Folder, stored_at

SUFFIX: Final = ".eml"


class MailNotFoundError(Exception):
    """No mail is stored under this id, or no longer."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A stored mail, decoded for the eye; nothing in it may be trusted.

    Args:
        text: The plain part, empty where there is none.
        html: The HTML part, empty where there is none.
        source: The file as it is, with what is no UTF-8 replaced.
    """

    id: str
    stored_at: datetime
    sender: str
    to: str
    subject: str
    text: str = ""
    html: str = ""
    source: str = ""


class MailboxBackend(BaseEmailBackend):
    """Stores each mail as one file below `settings.MAILBOX_DIR` instead of sending it."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Store the mails and return how many had someone to go to.

        Raises:
            OSError: If a file cannot be written, unless the backend was made to fail silently.
        """
        stored = 0
        for message in email_messages:
            if not message.recipients():
                continue
            try:
                _folder().store(message.message().as_bytes())
            except OSError:
                if not self.fail_silently:
                    raise
            else:
                stored += 1
        return stored


def latest(limit: int) -> list[Mail]:
    """Return the newest mails first, `limit` at most."""
    mails: list[Mail] = []
    for mail_id in _folder().newest()[:limit]:
        with suppress(MailNotFoundError):
            mails.append(read(mail_id))
    return mails


def count() -> int:
    """Return how many mails are stored."""
    return sum(1 for _ in _folder().ids())


def read(mail_id: str) -> Mail:
    """Return one mail; a file that cannot be opened becomes a mail that says so.

    Args:
        mail_id: Has the form of ID_PATTERN, so that it can name nothing outside of the folder.

    Raises:
        MailNotFoundError: If there is no such file.
    """
    stored = stored_at(mail_id)
    try:
        raw = _folder().path_of(mail_id).read_bytes()
    except FileNotFoundError as error:
        raise MailNotFoundError(mail_id) from error
    except OSError as error:
        return Mail(mail_id, stored, sender="", to="", subject=f"This file cannot be read: {error.strerror}")
    try:
        message = message_from_bytes(raw)
    except RecursionError:
        # The parser descends once for each nested part; the source can still be shown.
        message = Message()
    return Mail(
        id=mail_id,
        stored_at=stored,
        sender=_header(message, "From"),
        to=_header(message, "To"),
        subject=_header(message, "Subject"),
        text=_part(message, "text/plain"),
        html=_part(message, "text/html"),
        source=raw.decode("utf-8", "replace"),
    )


def delete(mail_id: str) -> None:
    """Remove one mail; one that is gone already stays gone.

    Raises:
        OSError: If the file is there and cannot be removed.
    """
    _folder().delete(mail_id)


def delete_all() -> None:
    """Remove every mail that is stored now.

    Raises:
        OSError: If a file is there and cannot be removed.
    """
    _folder().keep(0)


def _folder() -> Folder:
    return Folder(Path(settings.MAILBOX_DIR), SUFFIX)  # type: ignore[misc]  # a setting of local use only


def _header(message: Message, name: str) -> str:
    value = message.get(name, "")
    try:
        decoded = str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, ValueError):
        decoded = str(value)
    return _printable(" ".join(decoded.split()))


def _part(message: Message, content_type: str) -> str:
    for part in message.walk():
        if part.get_content_type() == content_type and part.get_content_disposition() != "attachment":
            return _body(part)
    return ""


def _body(part: Message) -> str:
    raw = part.get_payload(decode=True)
    if not isinstance(raw, bytes):
        return ""
    try:
        return _printable(raw.decode(part.get_content_charset("utf-8"), "replace"))
    except LookupError:
        return raw.decode("utf-8", "replace")


def _printable(text: str) -> str:
    """Replace lone surrogates, which a broken mail can hold and an answer in UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")
