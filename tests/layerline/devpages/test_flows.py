"""How flows are kept: each a file of its own, the newest of each kind, found by what people know of them."""

import json
import stat
from pathlib import Path

import pytest

from layerline.devpages import flows
from layerline.devpages.flows import Flow
from tests.layerline.devpages.conftest import keep, node

MISSING = "01795487010177286151-f3e51b91438fff8b"


def names(query: str, kind: str = flows.REQUEST) -> list[str]:
    return [flow.name for flow in flows.latest(kind, query)]


def test_a_flow_is_one_file_that_only_its_owner_can_read(flows_dir: Path) -> None:
    keep()

    [file] = (flows_dir / "request").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    [flow] = flows.latest(flows.REQUEST)
    assert (flow.method, flow.name, flow.status, flow.sql, flow.user_id) == (
        "GET",
        "/api/v1/auth/me/",
        "200",
        1,
        "0f3c",
    )
    assert flows.read(flow.id) == (flow, [node("view", "MeViewSet.retrieve")])


def test_the_newest_comes_first_and_the_oldest_go_when_there_are_too_many(flows_dir: Path) -> None:
    for number in range(flows.KEPT + 25):
        keep(name=f"/{number}/")
    keep(kind=flows.TASK, name="users.send_welcome_email")

    assert names("")[:2] == ["/224/", "/223/"]
    assert len(names("")) == flows.KEPT
    assert flows.KEPT <= len(list((flows_dir / "request").iterdir())) <= flows.KEPT + 20
    assert names("", flows.TASK) == ["users.send_welcome_email"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("request-2", ["/api/v1/users/"]),
        ("request", ["/api/v1/users/", "/api/v1/auth/me/"]),
        ("404", ["/api/v1/users/"]),
        ("4xx", ["/api/v1/users/"]),
        ("2xx", ["/api/v1/auth/me/"]),
        ("5xx", []),
        ("AUTH", ["/api/v1/auth/me/"]),
        ("%2e%2e", []),
    ],
)
def test_a_flow_is_found_by_request_id_status_and_path(flows_dir: Path, query: str, found: list[str]) -> None:
    keep()
    keep(name="/api/v1/users/", status="404", request_id="request-2")

    assert names(query) == found


def test_the_flows_of_one_request_are_found_in_their_order(flows_dir: Path) -> None:
    for name, request_id in (("first", "a"), ("other", "b"), ("second", "a"), ("nobody's", "")):
        keep(kind=flows.TASK, name=name, request_id=request_id)

    assert [flow.name for flow in flows.of_request(flows.TASK, "a")] == ["first", "second"]
    assert flows.of_request(flows.TASK, "") == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]\n[]", b'{"kind": 1}\n[]', b"\xff\xfe\n", b"{}\n{"])
def test_a_file_that_cannot_be_understood_is_left_out(flows_dir: Path, content: bytes) -> None:
    keep()
    (flows_dir / "request" / f"{MISSING}.json").write_bytes(content)

    assert names("") == ["/api/v1/auth/me/"]
    with pytest.raises(flows.FlowNotFoundError):
        flows.read(MISSING)


def test_a_file_of_another_version_is_read_as_far_as_it_is_known(flows_dir: Path) -> None:
    keep()
    [file] = (flows_dir / "request").iterdir()
    line, _, tree = file.read_bytes().partition(b"\n")
    file.write_bytes(json.dumps({**json.loads(line), "colour": "red"}).encode() + b"\n" + tree)

    assert names("") == ["/api/v1/auth/me/"]


def test_all_are_removed_at_once(flows_dir: Path) -> None:
    keep()
    keep(kind=flows.TASK)

    flows.delete_all()

    assert names("") == names("", flows.TASK) == []


@pytest.mark.parametrize(
    ("status", "failed"),
    [("200", False), ("302", False), ("done", False), ("400", True), ("503", True), ("failed", True)],
)
def test_a_flow_failed_by_its_status(status: str, failed: bool) -> None:  # noqa: FBT001  # pytest's
    assert Flow(flows.REQUEST, "GET", "/", status, 1.0).failed is failed
