from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.mail import EmailMultiAlternatives, get_connection
from django.test import Client
from pytest_django import Settings

from layerline.devpages import flows, mailbox

type Send = Callable[..., mailbox.Mail]

BACKEND = "layerline.devpages.mailbox.MailboxBackend"


def node(kind: str, name: str, *children: dict[str, Any], detail: str = "", error: str = "") -> dict[str, Any]:
    """A node of a tree as files hold it."""
    parts = {"kind": kind, "name": name, "start": 0.5, "took": 1.5, "detail": detail, "error": error, "place": ""}
    return {**parts, "children": list(children)}


def keep(tree: list[dict[str, Any]] | None = None, **changes: Any) -> None:
    """Store a flow that differs in these parts from an innocent request."""
    flow: dict[str, Any] = {
        "kind": flows.REQUEST,
        "method": "GET",
        "name": "/api/v1/auth/me/",
        "status": "200",
        "milliseconds": 2.5,
        "request_id": "request-1",
        "user_id": "0f3c",
        "sql": 1,
    }
    flows.store(flows.Flow(**{**flow, **changes}), tree or [node("view", "MeViewSet.retrieve")])


@pytest.fixture
def mailbox_dir(settings: Settings, tmp_path: Path) -> Path:
    """The folder of an empty mailbox; it is not there yet."""
    settings.MAILBOX_DIR = tmp_path / "dev" / "mail"
    return Path(settings.MAILBOX_DIR)


@pytest.fixture
def flows_dir(settings: Settings, tmp_path: Path) -> Path:
    """The folder of flows; it is not there yet."""
    settings.FLOWS_DIR = tmp_path / "dev" / "flows"
    return Path(settings.FLOWS_DIR)


@pytest.fixture
def pages(settings: Settings, mailbox_dir: Path, flows_dir: Path, client: Client) -> Client:
    """A browser on a project that has the pages installed, with an empty mailbox and no flows."""
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
