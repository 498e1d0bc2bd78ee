"""One request id, followed from the wire through service, outbox, task, mail and socket to the logs."""

from pathlib import Path

import pytest

from apps.chat.enums import Visibility
from apps.chat.services import RoomService
from apps.users.models import AuditEntry
from apps.users.tests.factories import PASSWORD, UserFactory
from apps.users.tests.support import signed_in
from infrastructure.queue.models import OutboxRow, OutboxState
from tests.e2e.chat import Visitor, played
from tests.e2e.servers import Server
from tests.infrastructure.queue.servers import Mailbox, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("database")]

_ID = "followed-everywhere"


def test_one_id_is_followed_through_everything(
    two_servers: tuple[Server, Server], mailbox: Mailbox, worker_log: Path, logs: Path
) -> None:
    first, second = two_servers
    ada = UserFactory.create()
    token = signed_in(ada).access
    RoomService.create(actor=ada, slug="followed", name="Followed", visibility=Visibility.PUBLIC)
    headers = {"X-Request-ID": _ID}

    async def scene() -> dict[str, object]:
        async with Visitor.entered(second, token, slug="followed") as visitor:
            answer = first.send(
                "POST",
                "/api/v1/chat/rooms/followed/announce/",
                token=token,
                json={"message": "Followed."},
                headers=headers,
            )
            assert (answer.status_code, answer.headers["X-Request-ID"]) == (202, _ID)
            while (frame := await visitor.receive())["type"] != "message":
                pass
            return frame

    frame = played(scene())
    account = {"email": "bob@example.com", "name": "Bob", "password": PASSWORD}
    registered = first.send("POST", "/api/v1/auth/register/", json=account, headers=headers)
    refused = first.send("POST", "/api/v1/auth/register/", json=account, headers=headers)
    wait_until(lambda: [mail for mail in mailbox.mails if mail["To"] == "bob@example.com"], seconds=30)
    rows = OutboxRow.objects.filter(request_id=_ID)
    wait_until(lambda: rows.filter(state=OutboxState.DONE).count() == 2, seconds=30)

    assert (frame["message"], frame["request_id"]) == ("Followed.", _ID)
    assert (registered.status_code, refused.json()["request_id"]) == (201, _ID)
    assert {row.name for row in rows} == {"chat.publish_announcement", "users.send_welcome_email"}
    assert AuditEntry.objects.get(account_id=registered.json()["id"]).request_id == _ID
    for log, event in {logs / "first.log": "request", worker_log: "job_done"}.items():
        assert [line for line in log.read_text(encoding="utf-8").splitlines() if _ID in line and event in line]
