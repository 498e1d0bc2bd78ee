import json
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
from rest_framework import serializers

from apps.common.enums import CloseCode, Role
from apps.common.frames import CLOSINGS, PING, ClientFrame, ServerFrame
from apps.common.handlers import PROBLEMS
from apps.common.schema import asyncapi_document, asyncapi_yaml, frame_schema, sockets_at
from apps.common.serializers import EnumField, StrictCharField, StrictSerializer
from apps.common.tests.consumers.support import NEWS, ROUTES, SAY

OFFICIAL: Final = Path(__file__).parents[4] / "tests" / "asyncapi" / "asyncapi-3.0.0.json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return asyncapi_document(sockets_at(ROUTES))


class InnerSerializer(StrictSerializer):
    word = StrictCharField(max_length=5)


class ManySerializer(StrictSerializer):
    role = EnumField(Role)
    maybe = serializers.UUIDField(allow_null=True, required=False)
    inner = InnerSerializer()
    inners = InnerSerializer(many=True, allow_null=True)


MANY: Final = ServerFrame("many", ManySerializer, "Many things.")


def test_the_document_keeps_the_rules_of_asyncapi(document: dict[str, Any]) -> None:
    validator = jsonschema.Draft7Validator(json.loads(OFFICIAL.read_text(encoding="utf-8")))

    assert [error.message for error in validator.iter_errors(document)] == []


def test_what_breaks_a_rule_of_asyncapi_would_be_found(document: dict[str, Any]) -> None:
    validator = jsonschema.Draft7Validator(json.loads(OFFICIAL.read_text(encoding="utf-8")))

    assert list(validator.iter_errors({**document, "operations": {"one": {"action": "shout"}}}))


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = [line.partition('"$ref": "#/')[2].rstrip('",') for line in json.dumps(document, indent=0).splitlines()]

    for reference in filter(None, references):
        there: Any = document
        for part in reference.split("/"):
            there = there[part]
        assert there


def test_an_address_is_written_with_its_parameters(document: dict[str, Any]) -> None:
    assert document["channels"]["closedroom"]["address"] == "/ws/closed/{reason}/"
    assert list(document["channels"]["closedroom"]["parameters"]) == ["reason"]
    assert document["channels"]["speaking"]["address"] == "/ws/speaking/"
    assert "parameters" not in document["channels"]["speaking"]


def test_what_a_client_sends_is_received_with_its_answers_and_an_error(document: dict[str, Any]) -> None:
    operation = document["operations"]["speaking.receive.say"]

    assert operation["action"] == "receive"
    assert [message["$ref"] for message in operation["reply"]["messages"]] == [
        "#/channels/speaking/messages/server.say.ack",
        "#/channels/speaking/messages/server.error",
    ]


def test_what_is_told_is_sent_and_what_is_answered_is_not_sent_by_itself(document: dict[str, Any]) -> None:
    sent = [name for name in document["operations"] if name.startswith("speaking.send.")]

    assert sent == ["speaking.send.news", "speaking.send.last"]
    assert document["operations"]["speaking.send.news"]["summary"] == NEWS.purpose


def test_a_frame_of_a_client_holds_nothing_else() -> None:
    schema = frame_schema(SAY)

    assert schema["additionalProperties"] is False
    assert schema["required"] == ["type", "text"]
    assert schema["properties"]["type"] == {"type": "string", "const": "say"}
    assert schema["properties"]["text"]["maxLength"] == 10
    assert set(schema["properties"]) == {"type", "ref", "text", "times"}


def test_a_frame_of_the_server_may_hold_more_some_day() -> None:
    schema = frame_schema(NEWS)

    assert "additionalProperties" not in schema
    assert set(schema["properties"]) == {"type", "ref", "request_id", "number", "text"}


def test_null_lists_and_nested_shapes_are_told_as_json_schema_tells_them() -> None:
    properties = frame_schema(MANY)["properties"]

    assert properties["maybe"] == {"anyOf": [{"type": "string", "format": "uuid"}, {"type": "null"}]}
    assert properties["inner"] == {"$ref": "#/components/schemas/Inner"}
    assert properties["inners"]["anyOf"][0] == {"type": "array", "items": {"$ref": "#/components/schemas/Inner"}}


def test_every_example_is_of_the_shape_it_stands_for(document: dict[str, Any]) -> None:
    for message in document["components"]["messages"].values():
        shape = {**message["payload"], "components": document["components"]}
        for example in message["examples"]:
            assert [error.message for error in jsonschema.Draft7Validator(shape).iter_errors(example["payload"])] == []


def test_close_codes_and_error_codes_are_told(document: dict[str, Any]) -> None:
    assert [closing["code"] for closing in document["x-close-codes"]] == sorted(CloseCode)
    assert set(document["x-error-codes"]) == set(PROBLEMS)
    assert set(CLOSINGS) == set(CloseCode)


def test_a_client_and_a_server_may_have_frames_of_one_type() -> None:
    pushed = ServerFrame("ping", serializers.Serializer[Any], "The server's own.")
    frames: list[ClientFrame | ServerFrame] = [PING, pushed]

    assert [frame.title for frame in frames] == ["ping", "ping"]
    assert [str(frame.sender) for frame in frames] == ["client", "server"]


def test_the_text_is_yaml_in_the_order_of_a_reader() -> None:
    assert asyncapi_yaml(sockets_at(ROUTES)).startswith("asyncapi: 3.0.0\ninfo:\n  title: Layerline\n")
