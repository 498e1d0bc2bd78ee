import smtplib
from collections.abc import Iterator
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller
from django.core import mail
from pytest_django import Settings

from infrastructure.email.service import NOTICES, EmailError, EmailService
from tests.infrastructure.queue.servers import free_port


@pytest.fixture(autouse=True)
def _sender(settings: Settings) -> None:
    settings.DEFAULT_FROM_EMAIL = "Analytical Engines <no-reply@engines.example>"


def parts() -> tuple[str, str]:
    """Return the text and the HTML of the only mail."""
    [message] = mail.outbox
    parsed = message_from_bytes(message.message().as_bytes(), policy=policy.default)
    text, html = parsed.iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    return text.get_content(), html.get_content()


class Full:
    """A mail server that takes the recipient and not the mail."""

    async def handle_DATA(self, server: object, session: object, envelope: object) -> str:  # noqa: N802  # aiosmtpd's
        return "452 no room for ada@example.com"


class Refusing:
    """A mail server that takes no recipient, and says his address in its answer."""

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's
        self, server: object, session: object, envelope: object, address: str, options: object
    ) -> str:
        return f"550 <{address}> is unknown here"


@pytest.fixture
def server(request: pytest.FixtureRequest, settings: Settings) -> Iterator[None]:
    controller = Controller(request.param(), hostname="127.0.0.1", port=free_port())
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    settings.EMAIL_PORT = controller.port
    yield
    controller.stop()


def test_welcome_greets_by_name_in_text_and_html() -> None:
    EmailService.send_welcome(to="ada@example.com", name="Ada O'Neil & <b>Co</b>")
    [message] = mail.outbox
    assert message.subject == "Welcome to Analytical Engines"
    assert (message.to, message.from_email) == (["ada@example.com"], "Analytical Engines <no-reply@engines.example>")
    assert message.message()["Auto-Submitted"] == "auto-generated"
    text, html = parts()
    assert text.startswith("Hello Ada O'Neil & <b>Co</b>,\n")
    assert "Hello Ada O&#x27;Neil &amp; &lt;b&gt;Co&lt;/b&gt;," in html
    assert "Analytical Engines" in text
    assert "prefers-color-scheme: dark" in html
    assert "<title>Welcome to Analytical Engines</title>" in html


def test_the_same_key_makes_the_same_message_id_and_another_another() -> None:
    for key in ("row-1", "row-1", "row-2\n"):
        EmailService.send_welcome(to="ada@example.com", name="Ada", key=key)
    first, again, other = (message.message()["Message-ID"] for message in mail.outbox)
    assert first == again != other
    assert first.endswith("@engines.example>")
    assert "row-1" not in first


def test_without_a_key_every_mail_has_its_own_message_id() -> None:
    for _ in range(2):
        EmailService.send_welcome(to="ada@example.com", name="Ada")
    first, second = (message.message()["Message-ID"] for message in mail.outbox)
    assert first != second


def test_a_sender_without_a_name_is_called_by_its_domain(settings: Settings) -> None:
    settings.DEFAULT_FROM_EMAIL = "no-reply@engines.example"
    EmailService.send_welcome(to="ada@example.com", name="Ada")
    assert mail.outbox[0].subject == "Welcome to engines.example"


@pytest.mark.parametrize("to", ["ada@example.com\nBcc: all@example.com", "ada@example.com\r\n", "\rada@example.com"])
def test_a_line_break_in_the_recipient_is_refused(to: str) -> None:
    with pytest.raises(EmailError, match="line break"):
        EmailService.send_welcome(to=to, name="Ada")
    assert mail.outbox == []


def test_a_line_break_in_the_senders_name_is_refused(settings: Settings) -> None:
    settings.DEFAULT_FROM_EMAIL = '"Engines\n" <no-reply@engines.example>'
    with pytest.raises(EmailError):
        EmailService.send_welcome(to="ada@example.com", name="Ada")
    assert mail.outbox == []


def test_a_line_break_in_the_name_stays_in_the_body() -> None:
    EmailService.send_welcome(to="ada@example.com", name="Ada\nBcc: all@example.com")
    [message] = mail.outbox
    assert message.message()["Bcc"] is None
    assert message.recipients() == ["ada@example.com"]


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("server", "text"), [(Refusing, "SMTPRecipientsRefused [550]"), (Full, "SMTPDataError 452")], indirect=["server"]
)
def test_a_refusal_is_told_by_its_code_and_without_the_address(text: str) -> None:
    with pytest.raises(EmailError) as caught:
        EmailService.send_welcome(to="ada@example.com", name="Ada")
    assert str(caught.value) == text
    assert caught.value.__suppress_context__


def test_a_server_that_is_away_is_an_email_error(settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    settings.EMAIL_PORT = 1
    with pytest.raises(EmailError) as caught:
        EmailService.send_welcome(to="ada@example.com", name="Ada")
    assert str(caught.value) == "ConnectionRefusedError"


def test_smtplibs_errors_are_still_what_the_service_expects() -> None:
    assert issubclass(smtplib.SMTPException, OSError)
    assert not issubclass(smtplib.SMTPRecipientsRefused, smtplib.SMTPResponseException)


@pytest.mark.parametrize("notice", NOTICES)
def test_a_notice_says_what_happened_and_what_to_do_in_text_and_html(notice: str) -> None:
    headline, happened = NOTICES[notice]

    EmailService.send_security_notice(to="ada@example.com", name="Ada", notice=notice)

    [message] = mail.outbox
    assert message.subject == f"Analytical Engines: {headline}"
    for part in parts():
        assert happened.partition(" ")[0] in part
        assert "change your password" in " ".join(part.split())
