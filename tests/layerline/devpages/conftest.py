from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.mail import EmailMultiAlternatives, get_connection
from django.test import Client
from pytest_django import Settings

from layerline.devpages import mailbox

type Send = Callable[..., mailbox.Mail]

BACKEND = "layerline.devpages.mailbox.MailboxBackend"


@pytest.fixture
def mailbox_dir(settings: Settings, tmp_path: Path) -> Path:
    """The folder of an empty mailbox; it is not there yet."""
    settings.MAILBOX_DIR = tmp_path / "dev" / "mail"
    return Path(settings.MAILBOX_DIR)


@pytest.fixture
def pages(settings: Settings, mailbox_dir: Path, client: Client) -> Client:
    """A browser on a project that has the pages installed, with an empty mailbox."""
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "layerline.devpages"]
    # A template that was looked for before the app was there is remembered as missing.
    settings.TEMPLATES = [dict(engine) for engine in settings.TEMPLATES]
    settings.ROOT_URLCONF = "tests.layerline.devpages.urls"
    return client


@pytest.fixture
def send(mailbox_dir: Path) -> Send:
    """Send one mail through the backend and return how it was stored."""

    def send_one(
        *,
        subject: str = "Welcome",
        text: str = "Hello Ada",
        html: str = "",
        sender: str = "Layerline <no-reply@localhost>",
        to: str = "ada@example.com",
    ) -> mailbox.Mail:
        message = EmailMultiAlternatives(subject, text, sender, [to], connection=get_connection(BACKEND))
        if html:
            message.attach_alternative(html, "text/html")
        assert message.send() == 1
        return mailbox.latest(1)[0]

    return send_one
