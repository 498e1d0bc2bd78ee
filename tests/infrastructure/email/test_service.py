import smtplib
from collections.abc import Callable, Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Final

import pytest
from aiosmtpd.controller import Controller
from django.core import mail
from pytest_django import Settings

from infrastructure.email import messages
from infrastructure.email.messages import NOTICES
from infrastructure.email.service import EmailError, EmailService, compose
from tests.infrastructure.queue.servers import free_port

LINK: Final = "https://app.example.com/verify-email#token=abc"


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
    EmailService.send_welcome(to="ada@example.com", name="Ada O'Neil & <b>Co</b>", link=LINK)
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


@pytest.mark.parametrize(
    ("send", "subject", "life"),
    [
        (EmailService.send_welcome, "Welcome to Analytical Engines", "3 days"),
        (EmailService.send_verification, "Analytical Engines: confirm your address", "3 days"),
        (EmailService.send_email_change, "Analytical Engines: confirm your new address", "3 days"),
        (EmailService.send_password_reset, "Analytical Engines: choose a new password", "1 hour"),
    ],
)
def test_a_link_stands_in_text_and_html_with_its_life(send: Callable[..., None], subject: str, life: str) -> None:
    send(to="ada@example.com", name="Ada", link=LINK)

    assert mail.outbox[0].subject == subject
    text, html = parts()
    assert f"\n{LINK}\n" in text
    assert f'href="{LINK}"' in html
    for part in (text, html):
        assert f"once, for {life}" in " ".join(part.split())


@pytest.mark.parametrize(
    ("seconds", "words"), [(86_400, "1 day"), (7_200, "2 hours"), (5_400, "90 minutes"), (61, "61 seconds")]
)
def test_the_life_of_a_link_is_the_one_of_the_settings(settings: Settings, seconds: int, words: str) -> None:
    settings.PASSWORD_RESET_LIFETIME = timedelta(seconds=seconds)

    EmailService.send_password_reset(to="ada@example.com", name="Ada", link=LINK)

    assert f"once, for {words}" in " ".join(parts()[0].split())


def test_an_owner_whose_address_was_entered_again_gets_no_link() -> None:
    EmailService.send_address_taken(to="ada@example.com", name="Ada")

    assert mail.outbox[0].subject == "Analytical Engines: your address was entered again"
    for part in parts():
        assert "It has one already" in " ".join(part.split())
        assert "http" not in part


def test_a_person_without_a_name_is_greeted_without_one() -> None:
    EmailService.send_security_notice(to="ada@example.com", name="", notice="email_changed")

    assert all("Hello," in part for part in parts())


def test_there_is_a_sample_of_each_kind_of_mail_and_each_can_be_composed() -> None:
    samples = [compose(sample, to="ada@example.com") for sample in messages.samples()]
    kinds = {name.removeprefix("send_") for name in vars(EmailService) if name.startswith("send_")}

    assert {sample.template for sample in messages.samples()} == (kinds - {"security_notice"}) | {"notice"}
    assert len({sample.subject for sample in samples}) == len(kinds) - 1 + len(NOTICES)
    assert all(sample.body and sample.alternatives for sample in samples)


def test_the_same_key_makes_the_same_message_id_and_another_another() -> None:
    for key in ("row-1", "row-1", "row-2\n"):
        EmailService.send_welcome(to="ada@example.com", name="Ada", link=LINK, key=key)
    first, again, other = (message.message()["Message-ID"] for message in mail.outbox)
    assert first == again != other
    assert first.endswith("@engines.example>")
    assert "row-1" not in first


def test_without_a_key_every_mail_has_its_own_message_id() -> None:
    for _ in range(2):
        EmailService.send_welcome(to="ada@example.com", name="Ada", link=LINK)
    first, second = (message.message()["Message-ID"] for message in mail.outbox)
    assert first != second


def test_a_sender_without_a_name_is_called_by_its_domain(settings: Settings) -> None:
    settings.DEFAULT_FROM_EMAIL = "no-reply@engines.example"
    EmailService.send_welcome(to="ada@example.com", name="Ada", link=LINK)
    assert mail.outbox[0].subject == "Welcome to engines.example"


@pytest.mark.parametrize("to", ["ada@example.com\nBcc: all@example.com", "ada@example.com\r\n", "\rada@example.com"])
def test_a_line_break_in_the_recipient_is_refused(to: str) -> None:
    with pytest.raises(EmailError, match="line break"):
        EmailService.send_welcome(to=to, name="Ada", link=LINK)
    assert mail.outbox == []


def test_a_line_break_in_the_senders_name_is_refused(settings: Settings) -> None:
    settings.DEFAULT_FROM_EMAIL = '"Engines\n" <no-reply@engines.example>'
    with pytest.raises(EmailError):
        EmailService.send_welcome(to="ada@example.com", name="Ada", link=LINK)
    assert mail.outbox == []


def test_a_line_break_in_the_name_stays_in_the_body() -> None:
    EmailService.send_welcome(to="ada@example.com", name="Ada\nBcc: all@example.com", link=LINK)
    [message] = mail.outbox
    assert message.message()["Bcc"] is None
    assert message.recipients() == ["ada@example.com"]


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("server", "text"), [(Refusing, "SMTPRecipientsRefused [550]"), (Full, "SMTPDataError 452")], indirect=["server"]
)
def test_a_refusal_is_told_by_its_code_and_without_the_address(text: str) -> None:
    with pytest.raises(EmailError) as caught:
        EmailService.send_welcome(to="ada@example.com", name="Ada", link=LINK)
    assert str(caught.value) == text
    assert caught.value.__suppress_context__


def test_a_server_that_is_away_is_an_email_error(settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    settings.EMAIL_PORT = 1
    with pytest.raises(EmailError) as caught:
        EmailService.send_welcome(to="ada@example.com", name="Ada", link=LINK)
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
