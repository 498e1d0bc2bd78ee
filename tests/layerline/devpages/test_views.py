import platform
import re
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import django
import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from pytest_django import Settings

from infrastructure.email.messages import samples
from layerline.devpages import flows, mailbox
from layerline.devpages.views import MAILS_SHOWN
from tests.layerline.devpages.conftest import Send, keep, node
from tests.layerline.devpages.test_mailbox import MAIL_ID

SCRIPT = "<script>alert(1)</script>"
IMAGE = "\"'><img src=x onerror=alert(1)>"


def page_of(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return response.content.decode()


def test_the_start_page_tells_what_runs_and_where_to_go(pages: Client) -> None:
    page = page_of(pages, "/")

    assert f"Django {django.get_version()}, Python {platform.python_version()}" in page
    assert "curl -X POST http://testserver/api/v1/auth/register/" in page
    assert 'make manage ARGS="createsuperuser"' in unescape(page)
    assert {
        "/api/docs/",
        "/api/redoc/",
        "/api/schema/",
        "/api/problems/",
        "/admin/",
        "/dev/flows/",
        "/dev/mailbox/",
        "/health/live/",
        "/health/ready/",
    } <= set(re.findall(r'href="([^"]+)"', page))


@pytest.mark.parametrize("path", ["/", "/dev/mailbox/", "/dev/flows/", "/dev/flows/ID/"])
def test_a_page_needs_nothing_from_elsewhere_and_no_inline_script(pages: Client, send: Send, path: str) -> None:
    send()
    keep()
    path = path.replace("ID", flows.latest(flows.REQUEST)[0].id)

    page = page_of(pages, path)

    assert re.findall(r"<script(?![^>]* src=\"/static/)[^>]*>", page) == []
    assert re.findall(r'(?:src|href)="(?:https?:)?//[^"]*"', page) == []
    assert re.findall(r"\s(?:style|on[a-z]+)=", page) == []


def test_a_page_carries_the_policy_of_the_project_and_is_never_cached(pages: Client) -> None:
    response = pages.get("/")

    assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    assert response.headers["X-Frame-Options"] == "DENY"
    assert "no-store" in response.headers["Cache-Control"]


def test_a_foreign_host_header_does_not_reach_the_command_to_copy(pages: Client) -> None:
    assert pages.get("/", HTTP_HOST="evil.example; rm -rf").status_code == 400


def test_an_empty_mailbox_says_so_and_offers_nothing_to_delete(pages: Client) -> None:
    page = page_of(pages, "/dev/mailbox/")

    assert "No mail yet." in page
    assert "/dev/mailbox/delete/" not in page


def test_the_mailbox_lists_the_newest_first(pages: Client, send: Send) -> None:
    first = send(subject="Number one", to="one@example.com")
    second = send(subject="Number two", to="two@example.com")

    page = page_of(pages, "/dev/mailbox/")

    assert re.findall(r'<a href="/dev/mailbox/([^"/]+)/">([^<]+)</a>\s*<span>([^<]+)</span>', page) == [
        (second.id, "Number two", "two@example.com"),
        (first.id, "Number one", "one@example.com"),
    ]
    assert "2 mails, newest first." in page
    assert f'<time datetime="{second.stored_at.isoformat()}"' in page


def test_a_full_mailbox_shows_the_latest_and_tells_how_many_there_are(pages: Client, mailbox_dir: Path) -> None:
    mailbox_dir.mkdir(parents=True)
    for number in range(MAILS_SHOWN + 1):
        (mailbox_dir / f"{number:020d}-{number:016x}.eml").write_bytes(b"Subject: %d\n\n" % number)

    page = page_of(pages, "/dev/mailbox/")

    assert page.count("<li>") == MAILS_SHOWN
    assert f"{MAILS_SHOWN + 1} mails, newest first. The latest {MAILS_SHOWN} are shown." in page


def test_a_mail_with_html_shows_it_in_a_frame_without_rights(pages: Client, send: Send) -> None:
    mail = send(html="<p>Hello</p>")

    page = page_of(pages, f"/dev/mailbox/{mail.id}/")

    [frame] = re.findall(r"<iframe[^>]*>", page)
    assert f'src="/dev/mailbox/{mail.id}/html/"' in frame
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in frame
    assert re.findall(r'<a href="[^"]*"( aria-current="page")?>(HTML|Text|Source)</a>', page) == [
        (' aria-current="page"', "HTML"),
        ("", "Text"),
        ("", "Source"),
    ]


def test_a_mail_without_html_opens_at_its_text(pages: Client, send: Send) -> None:
    page = page_of(pages, f"/dev/mailbox/{send(text='Only text').id}/")

    assert "Only text" in page
    assert "<iframe" not in page
    assert ">HTML</a>" not in page


def test_a_mail_without_text_says_so(pages: Client, mailbox_dir: Path) -> None:
    mailbox_dir.mkdir(parents=True)
    (mailbox_dir / f"{MAIL_ID}.eml").write_bytes(b"Content-Type: text/html\n\n<p>Hello</p>")

    assert "This mail has no text part." in page_of(pages, f"/dev/mailbox/{MAIL_ID}/text/")


def test_links_in_the_text_of_a_mail_can_be_followed(pages: Client, send: Send) -> None:
    mail = send(text="Confirm: http://localhost:3000/verify?token=a.b-c&next=/ within a day")

    page = page_of(pages, f"/dev/mailbox/{mail.id}/text/")

    [href] = re.findall(r'href="(http://localhost:3000[^"]*)"', page)
    assert parse_qs(urlsplit(unescape(href)).query) == {"token": ["a.b-c"], "next": ["/"]}


def test_the_source_is_the_file(pages: Client, send: Send) -> None:
    mail = send(subject="Sourced")

    page = page_of(pages, f"/dev/mailbox/{mail.id}/source/")

    assert unescape(page).count(mail.source) == 1
    assert "Subject: Sourced" in page


def test_the_html_of_a_mail_is_locked_into_an_origin_of_its_own(pages: Client, send: Send) -> None:
    mail = send(html=f"<p>Hello{SCRIPT}</p>")

    response = pages.get(f"/dev/mailbox/{mail.id}/html/")

    policy = dict(part.strip().partition(" ")[::2] for part in response.headers["Content-Security-Policy"].split(";"))
    assert policy == {
        "sandbox": "allow-popups allow-popups-to-escape-sandbox",
        "default-src": "'none'",
        "style-src": "'unsafe-inline'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'self'",
    }
    assert response.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.content.decode().endswith(f'<base target="_blank"><p>Hello{SCRIPT}</p>')


@pytest.mark.parametrize("tab", ["", "text/", "source/"])
@pytest.mark.parametrize("attack", [SCRIPT, IMAGE, "{{ settings.SECRET_KEY }}{% now 'Y' %}"])
def test_nothing_of_a_mail_becomes_part_of_the_page(pages: Client, send: Send, tab: str, attack: str) -> None:
    mail = send(subject=attack, sender=f'"{attack}" <a@example.com>', text=attack, html=attack)

    for path in ("/dev/mailbox/", f"/dev/mailbox/{mail.id}/{tab}"):
        page = page_of(pages, path)
        assert "<script>" not in page
        assert "<img" not in page
        assert attack in unescape(page)


@pytest.mark.parametrize(
    "text", ["javascript:alert(1)", "data:text/html,<b>x", 'http://a.example/"onmouseover="alert(1)']
)
def test_no_link_of_a_mail_runs_a_script(pages: Client, send: Send, text: str) -> None:
    page = page_of(pages, f"/dev/mailbox/{send(text=text).id}/text/")

    assert re.findall(r'href="(?:javascript|data):', page) == []
    assert re.findall(r"<[^>]* onmouseover=", page) == []


@pytest.mark.parametrize(
    "mail_id",
    [
        "../../secret",
        "..%2f..%2fsecret",
        "%2e%2e%2fsecret",
        "..%5csecret",
        "secret",
        "secret%00",
        f"{MAIL_ID}%2f..%2fsecret",
        f"{MAIL_ID}%0a",
        f"{MAIL_ID}.eml",
        MAIL_ID.upper(),
        MAIL_ID.replace("0", "\u0660"),
        MAIL_ID,
    ],
)
@pytest.mark.parametrize("tab", ["", "text/", "source/", "html/"])
def test_an_id_that_names_no_mail_is_not_found(pages: Client, mailbox_dir: Path, mail_id: str, tab: str) -> None:
    mailbox_dir.mkdir(parents=True)
    (mailbox_dir.parent / "secret.eml").write_text("Subject: secret\n\nsecret")
    (mailbox_dir / "secret.eml").write_text("Subject: secret\n\nsecret")

    response = pages.get(f"/dev/mailbox/{mail_id}/{tab}")

    assert response.status_code == 404
    assert b"Subject: secret" not in response.content


def test_a_file_that_cannot_be_read_is_listed_and_has_a_page(pages: Client, mailbox_dir: Path) -> None:
    (mailbox_dir / f"{MAIL_ID}.eml").mkdir(parents=True)

    assert "This file cannot be read: Is a directory" in page_of(pages, "/dev/mailbox/")
    for tab in ("", "text/", "source/", "html/"):
        assert pages.get(f"/dev/mailbox/{MAIL_ID}/{tab}").status_code == 200


def test_one_mail_or_all_are_deleted_by_the_forms_of_the_pages(pages: Client, send: Send) -> None:
    strict = Client(enforce_csrf_checks=True)
    first, second, third = send(), send(), send()

    for path, action, left in (
        (f"/dev/mailbox/{second.id}/", f"/dev/mailbox/{second.id}/delete/", [third.id, first.id]),
        ("/dev/mailbox/", "/dev/mailbox/delete/", []),
    ):
        page = page_of(strict, path)
        assert f'<form method="post" action="{action}">' in page
        token = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[0]
        response = strict.post(action, {"csrfmiddlewaretoken": token})
        assert (response.status_code, response.headers["Location"]) == (302, "/dev/mailbox/")
        assert [mail.id for mail in mailbox.latest(10)] == left


def test_nothing_is_deleted_without_the_token_of_the_page(pages: Client, send: Send) -> None:
    strict = Client(enforce_csrf_checks=True)
    mail = send()

    for action in (f"/dev/mailbox/{mail.id}/delete/", "/dev/mailbox/delete/"):
        assert strict.post(action).status_code == 403

    assert mailbox.read(mail.id) == mail


@pytest.mark.parametrize("method", ["get", "head", "put", "delete", "options"])
def test_nothing_is_deleted_by_another_method_than_post(pages: Client, send: Send, method: str) -> None:
    mail = send()

    for action in (f"/dev/mailbox/{mail.id}/delete/", "/dev/mailbox/delete/"):
        assert getattr(pages, method)(action).status_code == 405

    assert mailbox.read(mail.id) == mail


def test_a_page_answers_to_reading_only(pages: Client, send: Send) -> None:
    mail = send(html="<p>Hello</p>")

    for path in (
        "/",
        "/dev/services/",
        "/dev/flows/",
        "/dev/mailbox/",
        *(f"/dev/mailbox/{mail.id}/{t}" for t in ("", "html/")),
    ):
        assert pages.post(path).status_code == 405


@pytest.mark.parametrize("path", ["/", "/dev/services/", "/dev/flows/", "/dev/mailbox/", f"/dev/mailbox/{MAIL_ID}/"])
def test_the_pages_are_not_there_unless_the_app_is_installed(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


class TestFlows:
    def test_that_are_none_say_so(self, pages: Client) -> None:
        page = page_of(pages, "/dev/flows/")

        assert "Nothing yet." in page
        assert "Delete all" not in page

    def test_are_listed_the_newest_first_and_lead_to_their_pages(self, pages: Client) -> None:
        keep(name="/one/", status="200", sql=3, redis=2, user_id="u-1234567890")
        keep(name="/two/?page=…", status="503", request_id="")

        page = page_of(pages, "/dev/flows/")

        two, one = flows.latest(flows.REQUEST)
        assert re.findall(r'<a href="/dev/flows/([0-9a-f-]+)/">([^<]+)</a>', page) == [
            (two.id, "GET /two/?page=…"),
            (one.id, "GET /one/"),
        ]
        assert re.findall(r"<td(?: class=\"(bad)\")?>(\d+)</td>\s*<td>", page)[:1] == [("bad", "503")]
        assert '<td title="u-1234567890">567890</td>' in page

    @pytest.mark.parametrize(("query", "found"), [("one", 1), ("503", 1), ("5xx", 1), ("id-1", 1), ("nothing", 0)])
    def test_are_found(self, pages: Client, query: str, found: int) -> None:
        keep(name="/one/", request_id="id-1")
        keep(name="/two/", status="503", request_id="id-2")

        page = page_of(pages, f"/dev/flows/?q={query}")

        assert page.count('<a href="/dev/flows/0') == found
        assert ("Nothing here matches." in page) == (not found)

    def test_of_each_kind_have_a_list(self, pages: Client) -> None:
        keep()
        keep(kind=flows.TASK, method="TASK", name="users.send_welcome_email", status="failed")

        page = page_of(pages, "/dev/flows/?kind=task&q=users")

        assert ">users.send_welcome_email</a>" in page
        assert re.findall(r'\?kind=(\w+)&amp;q=users"( aria-current="page")?>\w+ <small>(\d+)<', page) == [
            ("request", "", "0"),
            ("task", ' aria-current="page"', "1"),
            ("frame", "", "0"),
        ]
        assert pages.get("/dev/flows/?kind=users").status_code == 404

    def test_have_a_page_with_the_tasks_and_frames_of_their_request(self, pages: Client) -> None:
        keep(tree=[node("view", "OrderView.post", node("channel layer", "group_send shelf", detail="shelf.changed"))])
        keep(
            kind=flows.TASK,
            name="shelf.add",
            tree=[node("task", "shelf.add", node("sql", "INSERT", error="DataError"))],
        )
        keep(kind=flows.TASK, name="shelf.other", request_id="another")

        page = page_of(pages, f"/dev/flows/{flows.latest(flows.REQUEST)[0].id}/")

        assert re.findall(r"<h2[^>]*><small>(\w+)</small>([^<]+)</h2>", page) == [
            ("Request", "GET /api/v1/auth/me/"),
            ("Task", "shelf.add"),
            ("Frame", "group_send shelf shelf.changed"),
        ]
        [anchor] = re.findall(r'<a href="#(n\d+)">✗ DataError</a>', page)
        assert re.search(rf'<div class="row sql d1 failed" id="{anchor}"', page)

    def test_show_nothing_of_a_stranger_as_anything_but_text(self, pages: Client) -> None:
        keep(name=f"/{SCRIPT}/", request_id=IMAGE, tree=[node("view", IMAGE, detail=SCRIPT)])

        for path in (f"/dev/flows/{flows.latest(flows.REQUEST)[0].id}/", "/dev/flows/", f"/dev/flows/?q={SCRIPT}"):
            page = page_of(pages, path)
            assert "<script>" not in page
            assert "<img" not in page

    def test_that_are_gone_are_not_found(self, pages: Client) -> None:
        for flow_id in (MAIL_ID, "../../secret", "secret", f"{MAIL_ID}.json"):
            assert pages.get(f"/dev/flows/{flow_id}/").status_code == 404

    def test_are_deleted_by_the_form_of_their_page(self, pages: Client) -> None:
        strict = Client(enforce_csrf_checks=True)
        keep()

        [token] = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page_of(strict, "/dev/flows/"))
        assert strict.post("/dev/flows/delete/").status_code == 403
        assert len(flows.latest(flows.REQUEST)) == 1
        assert strict.post("/dev/flows/delete/", {"csrfmiddlewaretoken": token}).status_code == 302
        assert flows.latest(flows.REQUEST) == []


LINKS = {
    "confirm": {"title": "Confirm <it>", "action": "/api/confirm/"},
    "reset": {"title": "Choose", "action": "/api/reset/", "password": "new"},
}


def test_the_link_of_a_mail_leads_to_a_page_that_sends_its_token(pages: Client, settings: Settings) -> None:
    settings.LAYERLINE_LINKS = LINKS

    page, with_password = page_of(pages, "/confirm"), page_of(pages, "/reset")

    assert "<h1>Confirm &lt;it&gt;</h1>" in page
    assert 'data-action="/api/confirm/"' in page
    assert "<input" not in page
    assert re.findall(r'<input type="password" name="([^"]+)"', with_password) == ["new"]
    assert re.findall(r"<script(?![^>]* src=\"/static/)[^>]*>", page) == []
    assert finders.find("devpages/link.js")


@pytest.mark.parametrize("path", ["/elsewhere", "/confirm/", "/CONFIRM", "/confirm%00"])
def test_an_address_that_no_mail_leads_to_is_not_found(pages: Client, settings: Settings, path: str) -> None:
    settings.LAYERLINE_LINKS = LINKS

    assert pages.get(path).status_code == 404


def test_without_links_in_the_settings_there_is_no_such_page(pages: Client) -> None:
    assert pages.get("/verify-email").status_code == 404


def test_one_click_puts_a_mail_of_each_kind_into_the_mailbox(pages: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    page = page_of(strict, "/dev/mailbox/")
    [token] = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)

    response = strict.post("/dev/mailbox/samples/", {"csrfmiddlewaretoken": token})

    assert (response.status_code, response.headers["Location"]) == (302, "/dev/mailbox/")
    stored = mailbox.latest(100)
    assert [mail.subject for mail in stored] == [sample.subject for sample in samples()]
    assert all(mail.text and mail.html for mail in stored)
    assert {mail.to for mail in stored} == {"sample@example.com"}


def test_samples_are_not_stored_without_the_token_of_the_page(pages: Client) -> None:
    assert Client(enforce_csrf_checks=True).post("/dev/mailbox/samples/").status_code == 403
    assert mailbox.count() == 0
