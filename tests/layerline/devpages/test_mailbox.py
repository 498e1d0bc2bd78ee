import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.mail import BadHeaderError, EmailMessage, get_connection

from layerline.devpages import mailbox
from tests.layerline.devpages.conftest import BACKEND, Send

WRITER = """
import sys, time
from pathlib import Path
from django.conf import settings
from django.core.mail import EmailMessage, get_connection
directory, name, go = sys.argv[1:]
settings.configure(MAILBOX_DIR=directory, USE_I18N=False)
connection = get_connection("layerline.devpages.mailbox.MailboxBackend")
while not Path(go).exists():
    time.sleep(0.001)
for number in range(100):
    text = f"{name} {number} " + "x" * 20_000 + " end"
    EmailMessage(f"{name} {number}", text, "a@example.com", ["b@example.com"], connection=connection).send()
"""
MAIL_ID = "01795487010177286151-f3e51b91438fff8b"


def put(directory: Path, raw: bytes, mail_id: str = MAIL_ID) -> None:
    directory.mkdir(parents=True)
    (directory / f"{mail_id}.eml").write_bytes(raw)


def test_a_mail_is_one_file_that_only_its_owner_can_read(send: Send, mailbox_dir: Path) -> None:
    mail = send(subject="Grüße", text="Hallo Ädä", html="<p>Hallo</p>")

    [file] = mailbox_dir.iterdir()
    assert file.name == f"{mail.id}.eml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(mailbox_dir.stat().st_mode) == 0o700
    assert (mail.subject, mail.to, mail.sender) == ("Grüße", "ada@example.com", "Layerline <no-reply@localhost>")
    assert (mail.text, mail.html) == ("Hallo Ädä", "<p>Hallo</p>")
    assert mail.source == file.read_text()


def test_the_newest_mail_comes_first(send: Send) -> None:
    for subject in ("first", "second", "third"):
        send(subject=subject)

    assert [mail.subject for mail in mailbox.latest(2)] == ["third", "second"]
    assert mailbox.count() == 3


def test_a_mail_to_nobody_is_not_stored(mailbox_dir: Path) -> None:
    assert get_connection(BACKEND).send_messages([EmailMessage("Subject", "Text", "a@example.com", [])]) == 0
    assert not mailbox_dir.exists()


@pytest.mark.parametrize("field", ["subject", "sender", "to"])
@pytest.mark.parametrize("line_break", ["\n", "\r", "\r\n"])
def test_a_line_break_in_a_header_stores_nothing(send: Send, mailbox_dir: Path, field: str, line_break: str) -> None:
    with pytest.raises(BadHeaderError):
        send(**{field: f"a@example.com{line_break}Bcc: eve@example.com"})

    assert mailbox.count() == 0


def test_a_folder_that_cannot_be_written_is_told_unless_silence_is_asked_for(mailbox_dir: Path) -> None:
    mailbox_dir.parent.write_text("a file where the folder should be")
    message = EmailMessage("Subject", "Text", "a@example.com", ["b@example.com"])

    with pytest.raises(OSError, match="Not a directory"):
        get_connection(BACKEND).send_messages([message])
    assert get_connection(BACKEND, fail_silently=True).send_messages([message]) == 0


def test_a_write_that_fails_leaves_nothing_behind(
    send: Send, mailbox_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="No space left"):
        send()

    assert list(mailbox_dir.iterdir()) == []


def test_two_processes_store_at_once_and_no_reader_sees_half_a_mail(mailbox_dir: Path, tmp_path: Path) -> None:
    go = tmp_path / "go"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(mailbox_dir), name, str(go)]) for name in ("one", "two")
    ]
    go.touch()
    seen = 0
    while any(writer.poll() is None for writer in writers):
        for mail in mailbox.latest(20):
            assert mail.text.rstrip().endswith(" end")
            seen += 1

    assert [writer.wait() for writer in writers] == [0, 0]
    assert seen > 0
    assert mailbox.count() == len(list(mailbox_dir.iterdir())) == 200
    subjects = {mail.subject for mail in mailbox.latest(200)}
    assert subjects == {f"{name} {number}" for name in ("one", "two") for number in range(100)}


def test_an_empty_or_missing_mailbox_has_no_mails(mailbox_dir: Path) -> None:
    assert mailbox.latest(10) == []
    mailbox_dir.mkdir(parents=True)
    assert mailbox.latest(10) == []
    mailbox.delete_all()
    assert mailbox.count() == 0


def test_files_of_other_names_are_no_mails(send: Send, mailbox_dir: Path) -> None:
    mail = send()
    (mailbox_dir / "notes.eml").write_text("Subject: not ours")
    (mailbox_dir / f".{mail.id}.tmp").write_text("Subject: unfinished")

    assert [found.id for found in mailbox.latest(10)] == [mail.id]
    mailbox.delete_all()
    assert {path.name for path in mailbox_dir.iterdir()} == {"notes.eml", f".{mail.id}.tmp"}


def test_an_unknown_mail_is_not_found(mailbox_dir: Path) -> None:
    with pytest.raises(mailbox.MailNotFoundError):
        mailbox.read(MAIL_ID)


def test_what_cannot_be_opened_becomes_a_mail_that_says_so(send: Send, mailbox_dir: Path) -> None:
    good = send()
    (mailbox_dir / f"{MAIL_ID}.eml").mkdir()

    assert [mail.subject for mail in mailbox.latest(10)] == [good.subject, "This file cannot be read: Is a directory"]


@pytest.mark.parametrize(
    ("raw", "subject", "text"),
    [
        (b"", "", ""),
        (b"\x00\xff\xfe\n\n", "", "\x00\ufffd\ufffd\n\n"),
        (b"Subject: caf\xe9\n\nText", "caf\ufffd", "Text"),
        (b"Subject: =?utf-8?b?broken?=\n\nText", "=?utf-8?b?broken?=", "Text"),
        (b"Subject: =?klingon?q?a?=\n\nText", "=?klingon?q?a?=", "Text"),
        (b"Subject: =?utf-7?q?+2AA-?=\n\nText", "?", "Text"),
        (b"Content-Type: text/plain; charset=klingon\n\nT\xc3\xa9xt", "", "Téxt"),
        (b"Content-Type: text/plain; charset=utf-7\n\n+2AA-", "", "?"),
        (b"Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\na", "", "a"),
        (b"Content-Type: multipart/mixed; boundary=b\n\nno part at all", "", ""),
        (b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Disposition: attachment\n\nx\n--b--", "", ""),
    ],
)
def test_a_broken_mail_is_read_as_far_as_it_goes(mailbox_dir: Path, raw: bytes, subject: str, text: str) -> None:
    put(mailbox_dir, raw)

    mail = mailbox.read(MAIL_ID)

    assert (mail.subject, mail.text) == (subject, text)
    assert mail.source == raw.decode("utf-8", "replace")


def test_a_mail_nested_too_deep_still_shows_its_source(mailbox_dir: Path) -> None:
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(1_000))
    put(mailbox_dir, nested)

    mail = mailbox.read(MAIL_ID)

    assert (mail.subject, mail.text, mail.source) == ("", "", nested.decode())


def test_a_deleted_mail_is_gone_and_the_others_stay(send: Send) -> None:
    first, second = send(subject="first"), send(subject="second")

    mailbox.delete(first.id)
    mailbox.delete(first.id)

    assert [mail.id for mail in mailbox.latest(10)] == [second.id]
