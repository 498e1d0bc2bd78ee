import json
from pathlib import Path

import pytest
from django.db import connection
from pytest_django import Settings

from apps.users.models import User
from apps.users.tests.factories import UserFactory
from infrastructure import redis
from layerline.flow.documents.declarations import Book, Request
from layerline.flow.documents.page import files
from layerline.flow.documents.stage import Stage, StageError, built
from layerline.flow.documents.steps import steady
from tests.layerline.flow.documents.support import flow, request

pytestmark = pytest.mark.django_db(transaction=True)

ADA = json.dumps({"email": "ada@example.com", "name": "Ada", "password": "nine hundred lanterns"})
REGISTER = request("POST /api/v1/auth/register/", status="201", body=ADA)


@pytest.fixture(autouse=True)
def _sign_in(settings: Settings) -> None:
    settings.LAYERLINE_SIGN_IN = "apps.users.management.sign_in.signed_in"


def test_a_flow_begins_with_empty_tables_and_what_is_given_and_runs_its_jobs() -> None:
    UserFactory.create(email="ada@example.com")

    trace = Stage().play(flow(request("GET /api/v1/auth/me/", status="200", actor="ada@example.com"), REGISTER))

    assert (trace.status, trace.tasks) == ("200 OK", [])
    assert [task.name for task in Stage().play(flow(REGISTER)).tasks] == ["users.send_welcome_email"]
    assert [user.email for user in User.objects.all()] == ["ada@example.com"]


def test_it_is_the_same_each_time_also_where_redis_has_forgotten_its_scripts_and_connections_are_new() -> None:
    played = flow(
        request("PATCH /api/v1/auth/me/", status="200", actor="ada@example.com", body='{"name": "A"}'), REGISTER
    )
    trees = []

    for _ in range(3):
        redis.client().script_flush()
        connection.close()
        trace = Stage().play(played)
        trees.append(steady([*trace.tree, *trace.tasks]))

    assert trees[0] == trees[1] == trees[2]


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        (
            request("GET /api/v1/auth/me/", status="200"),
            "way: GET /api/v1/auth/me/ came out as 401 Unauthorized and not as 200",
        ),
        (request("GET /", status="200", actor="eve@example.com"), "way: nobody can sign in as eve@example.com"),
        (request("TASK users.vanish", status="done"), "way: there is no task users.vanish"),
        (
            request("WS /ws/shelf/", status="open", body='{"type": "leave"}'),
            "way: WS /ws/shelf/ came out as 4403 closed and not as open",
        ),
    ],
)
def test_a_flow_that_does_not_come_out_as_declared_is_refused(asked: Request, complaint: str) -> None:
    with pytest.raises(StageError) as refused:
        Stage().play(flow(asked))

    assert str(refused.value) == complaint


def test_what_is_given_must_come_out_as_declared_too() -> None:
    with pytest.raises(StageError, match="came out as 409 Conflict and not as 201"):
        Stage().play(flow(request("GET /", status="404"), REGISTER, REGISTER))


def test_a_task_is_a_flow_like_a_request() -> None:
    trace = Stage().play(flow(request("TASK users.clean_expired_tokens", status="done")))

    assert [task.name for task in trace.tasks] == ["users.clean_expired_tokens"]


def test_a_socket_that_tells_others_is_a_flow_like_a_request_and_the_same_each_time() -> None:
    order = flow(request("WS /ws/shelf/", status="open", body='{"type": "order"}'))

    pages = [files(order, Stage().play(order), Book("", "", {}, ()), Path.cwd() / "docs" / "flows") for _ in range(3)]

    assert pages[0] == pages[1] == pages[2]
    for step in ("frame order", "service ShelfService.order_and_tell", "channel layer group_send shelf", "· ack"):
        assert step in pages[0]["way.md"]


def test_no_stage_is_built_where_keys_of_others_would_be_thrown_away(settings: Settings) -> None:
    settings.REDIS_KEY_PREFIX = "layerline"
    name = connection.settings_dict["NAME"]

    with pytest.raises(StageError, match="REDIS_KEY_PREFIX"), built():
        pytest.fail("It was built.")

    assert connection.settings_dict["NAME"] == name
