"""The registry of frames, the AsyncAPI document, the page and the consumers say the same."""

from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
import yaml
from django.core.management import CommandError, call_command
from pytest_django import Settings
from rest_framework.test import APIClient

from apps.common.consumers import UnknownSocketConsumer
from apps.common.frames import ClientFrame
from apps.common.schema import asyncapi_document, reference, sockets_at
from config.routing import websocket_urlpatterns

ROOT: Final = Path(__file__).parents[1]
OFFICIAL: Final = ROOT / "tests" / "asyncapi" / "asyncapi-3.0.0.json"
CONSUMERS: Final[list[Any]] = [
    route.callback.consumer_class
    for route in websocket_urlpatterns
    if route.callback.consumer_class is not UnknownSocketConsumer
]


def test_the_document_is_served_and_is_what_the_registries_say(api: APIClient) -> None:
    answer = api.get("/api/asyncapi.yaml")

    assert (answer.status_code, answer["Content-Type"]) == (200, "application/yaml")
    assert yaml.safe_load(answer.content) == asyncapi_document(sockets_at(websocket_urlpatterns))


def test_every_socket_of_the_project_is_in_it() -> None:
    sockets = sockets_at(websocket_urlpatterns)

    assert [socket.frames for socket in sockets] == [tuple(consumer.frames()) for consumer in CONSUMERS]


def test_every_frame_of_clients_has_one_method_of_its_name_and_every_method_a_frame() -> None:
    for consumer in CONSUMERS:
        taken = {frame.kind: frame for frame in consumer.frames() if isinstance(frame, ClientFrame)}
        methods = {
            name: getattr(consumer, name).frame for name in dir(consumer) if hasattr(getattr(consumer, name), "frame")
        }
        assert methods == taken


def test_the_page_is_what_the_registries_say() -> None:
    assert (ROOT / "docs" / "frames.md").read_text(encoding="utf-8") == reference(sockets_at(websocket_urlpatterns)), (
        'make manage ARGS="document_sockets"'
    )


def test_the_command_finds_nothing_wrong() -> None:
    call_command("document_sockets", check=True, schema=OFFICIAL)


def test_the_command_refuses_a_page_that_fell_behind_and_writes_it_anew(settings: Settings, tmp_path: Path) -> None:
    settings.PROJECT_ROOT = tmp_path

    with pytest.raises(CommandError, match="fell behind"):
        call_command("document_sockets", check=True)
    call_command("document_sockets")

    call_command("document_sockets", check=True)
    for name in ("docs/frames.md", "clients/typescript/frames.d.ts"):
        assert (tmp_path / name).read_text() == (ROOT / name).read_text()


def test_the_command_names_the_place_where_the_document_breaks_a_rule(tmp_path: Path) -> None:
    strange = tmp_path / "schema.json"
    strange.write_text('{"properties": {"asyncapi": {"const": "9.9.9"}}}', encoding="utf-8")

    with pytest.raises(CommandError, match=r"^asyncapi: '9\.9\.9' was expected"):
        call_command("document_sockets", check=True, schema=strange)


def test_the_official_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(yaml.safe_load(OFFICIAL.read_text(encoding="utf-8")))
