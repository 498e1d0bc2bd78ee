"""The pages of local use: what runs here, what it did last, and the mails that were not sent."""

import platform
import tomllib
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import django
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from infrastructure.email.messages import samples
from infrastructure.email.service import compose
from layerline.devpages import flows, mailbox, probes
from layerline.flow.recorder import Node
from layerline.flow.report import Section, timeline
from layerline.flow.trace import frames_of

PYPROJECT: Final = Path(__file__).resolve().parents[2] / "pyproject.toml"
MAILS_SHOWN: Final = 200
SAMPLES_TO: Final = "sample@example.com"
# A mail is foreign HTML: no script, no request to anywhere, an origin of its own. Its links open in a new tab.
MAIL_CONTENT_SECURITY_POLICY: Final = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
MAIL_HEADERS: Final = {
    "Content-Security-Policy": MAIL_CONTENT_SECURITY_POLICY,
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
}
# Comes before the mail's own first tag; the parser ignores a second doctype and a second target.
MAIL_PREAMBLE: Final = '<!doctype html><meta name="color-scheme" content="light"><base target="_blank">'


@never_cache
@require_safe
def start(request: HttpRequest) -> HttpResponse:
    """Show what runs here and where to go from here."""
    context = {
        "project": tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"],
        "web": f"Django {django.get_version()}",
        "python": f"Python {platform.python_version()}",
        "origin": request.build_absolute_uri("/").rstrip("/"),
    }
    return render(request, "devpages/start.html", context)


@never_cache
@require_safe
def services(_request: HttpRequest) -> JsonResponse:
    """Tell how each service is that this process relies on."""
    return JsonResponse({"services": [asdict(state) for state in probes.states()]})


@never_cache
@require_safe
def mails(request: HttpRequest) -> HttpResponse:
    """List the stored mails, newest first."""
    context = {"mails": mailbox.latest(MAILS_SHOWN), "count": mailbox.count(), "shown": MAILS_SHOWN}
    return render(request, "devpages/mails.html", context)


@never_cache
@require_safe
def mail(request: HttpRequest, mail_id: str) -> HttpResponse:
    """Show one mail as the best of what it holds: HTML, else text."""
    found = _mail_or_404(mail_id)
    return _mail_page(request, found, tab="html" if found.html else "text")


@never_cache
@require_safe
def mail_text(request: HttpRequest, mail_id: str) -> HttpResponse:
    """Show the plain part of one mail."""
    return _mail_page(request, _mail_or_404(mail_id), tab="text")


@never_cache
@require_safe
def mail_source(request: HttpRequest, mail_id: str) -> HttpResponse:
    """Show one mail as it was written."""
    return _mail_page(request, _mail_or_404(mail_id), tab="source")


@never_cache
@require_safe
def mail_html(_request: HttpRequest, mail_id: str) -> HttpResponse:
    """Answer with the HTML part alone, for the frame of its page."""
    found = _mail_or_404(mail_id)
    return HttpResponse(MAIL_PREAMBLE + found.html, headers=MAIL_HEADERS)


@require_POST
def store_samples(_request: HttpRequest) -> HttpResponse:
    """Put one mail of each kind that the project sends into the mailbox."""
    mails = [compose(sample, to=SAMPLES_TO) for sample in samples()]
    # The newest stands first in the list.
    mailbox.MailboxBackend().send_messages(mails[::-1])
    return redirect("devpages:mails")


@require_POST
def delete_mail(_request: HttpRequest, mail_id: str) -> HttpResponse:
    """Remove one mail."""
    mailbox.delete(mail_id)
    return redirect("devpages:mails")


@require_POST
def delete_all_mails(_request: HttpRequest) -> HttpResponse:
    """Remove every mail."""
    mailbox.delete_all()
    return redirect("devpages:mails")


@never_cache
@require_safe
def flow_list(request: HttpRequest) -> HttpResponse:
    """List the last requests, tasks or frames, or those that somebody looks for."""
    kind, query = request.GET.get("kind", flows.REQUEST), request.GET.get("q", "").strip()
    if kind not in flows.KINDS:
        raise Http404("There is no such list.")
    tabs = [
        {"name": name, "label": f"{name.title()}s", "count": len(flows.latest(name, query))} for name in flows.KINDS
    ]
    context = {"flows": flows.latest(kind, query), "kind": kind, "query": query, "tabs": tabs, "kept": flows.KEPT}
    return render(request, "devpages/flows.html", context)


@never_cache
@require_safe
def flow(request: HttpRequest, flow_id: str) -> HttpResponse:
    """Show one flow, and the tasks that its request brought about."""
    try:
        found, tree = flows.read(flow_id)
    except flows.FlowNotFoundError as error:
        raise Http404("This flow is gone.") from error
    nodes = [Node.from_json(node) for node in tree]
    sections = [Section(found.kind.title(), f"{found.method} {found.name}", nodes)]
    related = flows.of_request(flows.TASK, found.request_id) if found.kind == flows.REQUEST else []
    for task in related:
        with suppress(flows.FlowNotFoundError):
            sections.append(Section("Task", task.name, [Node.from_json(node) for node in flows.read(task.id)[1]]))
    left = frames_of([node for section in sections for node in section.nodes])
    sections += [Section("Frame", f"{frame.name} {frame.detail}", [frame]) for frame in left]
    context = {"flow": found, "tasks": related, **timeline(sections)}
    return render(request, "devpages/flow.html", context)


@require_POST
def delete_all_flows(_request: HttpRequest) -> HttpResponse:
    """Remove every flow."""
    flows.delete_all()
    return redirect("devpages:flows")


@never_cache
@require_safe
def link(request: HttpRequest, name: str) -> HttpResponse:
    """Take the link of a mail, as `settings.LAYERLINE_LINKS` tells, where no client application does."""
    known: dict[str, dict[str, str]] = getattr(settings, "LAYERLINE_LINKS", {})
    if name not in known:
        raise Http404("No mail leads here.")
    return render(request, "devpages/link.html", {"link": known[name]})


def _mail_or_404(mail_id: str) -> mailbox.Mail:
    try:
        return mailbox.read(mail_id)
    except mailbox.MailNotFoundError as error:
        raise Http404("This mail is gone.") from error


def _mail_page(request: HttpRequest, found: mailbox.Mail, *, tab: str) -> HttpResponse:
    tabs: list[dict[str, Any]] = []
    if found.html:
        tabs.append({"name": "html", "label": "HTML", "href": reverse("devpages:mail", args=[found.id])})
    tabs.append({"name": "text", "label": "Text", "href": reverse("devpages:mail-text", args=[found.id])})
    tabs.append({"name": "source", "label": "Source", "href": reverse("devpages:mail-source", args=[found.id])})
    return render(request, "devpages/mail.html", {"mail": found, "tab": tab, "tabs": tabs})
