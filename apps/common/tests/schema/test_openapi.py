from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

from apps.common.handlers import PROBLEMS
from apps.common.schema import ProblemSerializer
from apps.common.tests import support

ALWAYS = {"bad_request", "not_acceptable", "throttled", "internal_error", "service_unavailable"}
SIGNED_IN = {"authentication_failed", "token_expired", "token_invalid", "session_revoked"}
WITH_BODY = {"validation_error", "parse_error", "payload_too_large", "unsupported_media_type"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    generated: dict[str, Any] = SchemaGenerator(patterns=support.urlpatterns).get_schema(public=True)
    return generated


def codes(operation: dict[str, Any]) -> set[str]:
    """Return the codes of all problems that the operation describes with an example."""
    return {
        example["value"]["code"]
        for response in operation["responses"].values()
        for example in response.get("content", {}).get("application/problem+json", {}).get("examples", {}).values()
    }


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("get", "/api/v1/open/", ALWAYS),
        ("get", "/api/v1/mine/", ALWAYS | SIGNED_IN),
        ("post", "/api/v1/echo/", ALWAYS | WITH_BODY),
        ("put", "/api/v1/things/{number}/", ALWAYS | SIGNED_IN | WITH_BODY | {"forbidden", "not_found"}),
        ("get", "/api/v1/owned/{user_id}/", ALWAYS | SIGNED_IN | {"forbidden", "not_found"}),
    ],
)
def test_an_operation_lists_every_problem_of_its_kind(
    document: dict[str, Any], method: str, path: str, expected: set[str]
) -> None:
    assert codes(document["paths"][path][method]) == expected


def test_every_problem_stands_under_its_status_with_what_its_fields_mean(document: dict[str, Any]) -> None:
    for operation in (operation for path in document["paths"].values() for operation in path.values()):
        for status, response in operation["responses"].items():
            if "application/problem+json" in response.get("content", {}):
                content = response["content"]["application/problem+json"]
                assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
                examples = [example["value"] for example in content["examples"].values()]
                assert {str(example["status"]) for example in examples} == {status}
                assert all(PROBLEMS[example["code"]].meaning in response["description"] for example in examples)


def test_a_problem_that_says_when_to_come_back_says_so(document: dict[str, Any]) -> None:
    responses = document["paths"]["/api/v1/mine/"]["get"]["responses"]

    assert responses["401"]["headers"]["WWW-Authenticate"]["schema"]["enum"] == ["Bearer"]
    assert responses["429"]["headers"]["Retry-After"]["required"] is True
    assert responses["503"]["headers"]["Retry-After"]["required"] is True
    assert "headers" not in responses["500"]


def test_the_document_knows_every_code() -> None:
    field: Any = ProblemSerializer().fields["code"]

    assert list(field.choices) == list(PROBLEMS)
