"""Mail, messages and calls to other machines leave through infrastructure.

The incident: a service sent a mail inside its transaction. The transaction was rolled back, and eight hundred people
were welcomed to accounts that did not exist. Infrastructure's outbox sends after the commit, and once.

A management command may speak HTTP: it is somebody's own call.

BAD (apps/rooms/services.py):
    from django.core.mail import send_mail

    class RoomService:
        @staticmethod
        def invite(*, address: str) -> None:
            send_mail("Come in", "The door is open.", None, [address])

GOOD (apps/rooms/services.py):
    from infrastructure.queue import outbox

    class RoomService:
        @staticmethod
        def invite(*, user_id: str) -> None:
            outbox.enqueue("rooms.send_invitation", {"user_id": user_id})
"""

import ast
from collections.abc import Iterator
from typing import Final

from layerline.contract.rule import Hit, Rule, Source, at, in_slices_except
from layerline.contract.values import Instance, Member, Named, Value

_MAIL: Final = {
    "django.core.mail": {"get_connection", "mail_admins", "mail_managers", "send_mail", "send_mass_mail"},
    "smtplib": {"LMTP", "SMTP", "SMTP_SSL"},
}
_VERBS: Final = {"delete", "get", "head", "options", "patch", "post", "put", "request"}
_NETWORK: Final = {
    "aiohttp": {"ClientSession", "request"},
    "asyncio": {"open_connection", "open_unix_connection"},
    "boto3": {"Session", "client", "resource"},
    "ftplib": {"FTP", "FTP_TLS"},
    "http.client": {"HTTPConnection", "HTTPSConnection"},
    "httpx": _VERBS | {"AsyncClient", "Client", "stream"},
    "requests": _VERBS | {"Session", "session"},
    "socket": {"create_connection", "create_server", "getaddrinfo", "gethostbyname", "socket", "socketpair"},
    "urllib.request": {"build_opener", "urlopen", "urlretrieve"},
    "urllib3": {"HTTPConnectionPool", "HTTPSConnectionPool", "PoolManager", "request"},
    "websockets": {"connect"},
}
_OBJECTS_THAT_CALL: Final = (
    "requests.Session",
    "requests.sessions.Session",
    "httpx.Client",
    "httpx.AsyncClient",
    "aiohttp.ClientSession",
)
_CALLING_METHODS: Final = _VERBS | {"send", "stream", "ws_connect"}
_MAIL_METHODS: Final = frozenset({"email_user", "send", "send_messages"})
_TASK_METHODS: Final = frozenset({"apply_async", "delay"})
_CELERY: Final = ("celery.", "config.celery.")


def _find(source: Source) -> Iterator[Hit]:
    may_call = source.module.layer == "management"
    for node in source.attributes():
        for value in source.value(node):
            what = _queued(source, value) or _mailed(source, value) or _pushed(value)
            if what:
                yield at(node, what)
        if node.attr == "group_send" and not source.value(node):
            yield at(node, "sends to a group of sockets with `.group_send`")
    asked = _asked_for_their_class(source)
    for reference, name in source.references():
        if _is_in(_MAIL, name) and reference not in asked:
            yield at(reference, f"sends mail with `{name}`")
    if not may_call:
        for call in source.calls():
            yield from _calls_out(source, call)


def _asked_for_their_class(source: Source) -> set[ast.AST]:
    """Return what stands in the second argument of `isinstance` and `issubclass`: a class that is not used."""
    return {
        part
        for call in source.calls()
        if source.names(call.func) & {"builtins.isinstance", "builtins.issubclass"}
        for argument in call.args[1:]
        for part in ast.walk(argument)
    }


def _queued(source: Source, value: Value) -> str | None:
    match value:
        case Named(name=name):
            owner, _, method = name.rpartition(".")
            if method == "send_task" and name.startswith(_CELERY):
                return "publishes a task with `.send_task`"
            if method in _TASK_METHODS and (_is_task(source, owner) or name.startswith(_CELERY)):
                return f"publishes a task with `.{method}`"
        case Member(owner=Instance(of=owner), name=method) if method in {*_TASK_METHODS, "send_task"}:
            if owner.startswith(_CELERY) or ".tasks." in owner:
                return f"publishes a task with `.{method}`"
    return None


def _is_task(source: Source, name: str) -> bool:
    if source.project.definitions.function(name) is not None:
        return True
    return ".tasks." in f".{name}" and source.project.definitions.class_(name) is None


def _mailed(source: Source, value: Value) -> str | None:
    match value:
        case Member(owner=Instance(of=owner), name=method) if method in _MAIL_METHODS:
            is_row = owner == "?" or source.project.definitions.is_model(owner)
            if source.project.definitions.is_a(owner, "mail", _is_mail) and method != "email_user":
                return f"sends mail with `.{method}`"
            if is_row and method == "email_user":
                return "sends mail with `.email_user`"
    return None


def _is_mail(name: str) -> bool:
    return name.startswith("django.core.mail.")


def _pushed(value: Value) -> str | None:
    match value:
        case Member(owner=Instance(of=owner), name="group_send"):
            return None if owner.startswith("infrastructure.") else "sends to a group of sockets with `.group_send`"
        case Member(owner=Instance(of="channels.layers.get_channel_layer()"), name="send"):
            return "sends to a socket with `.send`"
    return None


def _calls_out(source: Source, call: ast.Call) -> Iterator[Hit]:
    for value in source.value(call.func):
        match value:
            case Named(name=name) if _is_in(_NETWORK, name):
                yield at(call, f"calls another machine with `{name}`")
            case Member(owner=Instance(of=owner), name=method) if method in _CALLING_METHODS:
                if owner in _OBJECTS_THAT_CALL:
                    yield at(call, f"calls another machine with `.{method}`")


def _is_in(table: dict[str, set[str]], name: str) -> bool:
    module, _, member = name.rpartition(".")
    return member in table.get(module, ())


RULE: Final = Rule(
    name="side-effect-outside-infrastructure",
    doc=__doc__,
    mend="record it with an adapter of infrastructure, which lets it happen after the commit",
    applies=in_slices_except("migrations"),
    find=_find,
)
