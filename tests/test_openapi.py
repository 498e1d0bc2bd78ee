import json
import re
from typing import Any, Final

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import Client

VERBS: Final = {"get", "post", "put", "patch", "delete"}
ALWAYS: Final = {"not_acceptable", "throttled", "internal_error", "service_unavailable"}
SIGNED_IN: Final = {"authentication_failed", "token_expired", "token_invalid", "session_revoked"}
WITH_BODY: Final = {"validation_error", "parse_error", "payload_too_large", "unsupported_media_type"}
PROBLEM: Final = "application/problem+json"


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The schema as the command writes it, which fails on whatever is not valid or not clear."""
    file = tmp_path_factory.mktemp("openapi") / "schema.json"
    call_command("spectacular", "--validate", "--fail-on-warn", "--format", "openapi-json", "--file", str(file))
    written: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return written


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the operations by `GET /path`."""
    return {
        f"{verb.upper()} {path}": operation
        for path, item in document["paths"].items()
        for verb, operation in item.items()
        if verb in VERBS
    }


def problems(operation: dict[str, Any]) -> set[str]:
    """Return the codes of the problems that the operation lists, each with an example."""
    return {
        example["value"]["code"]
        for response in operation["responses"].values()
        for example in response.get("content", {}).get(PROBLEM, {}).get("examples", {}).values()
    }


def has_example(body: dict[str, Any]) -> bool:
    # Nobody could read the bytes of a picture.
    read = [content for kind, content in body["content"].items() if not kind.startswith("image/")]
    return all("examples" in content or "example" in content for content in read)


def test_the_schema_is_valid_and_describes_the_api(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.")
    assert {"POST /api/v1/auth/login/", "GET /api/v1/auth/me/", "GET /api/v1/users/"} <= set(operations(document))
    assert all(path.startswith("/api/v1/") for path in document["paths"])


def test_every_operation_says_what_it_does_under_a_name_of_its_own(document: dict[str, Any]) -> None:
    found = operations(document)

    assert [name for name, operation in found.items() if not operation.get("description")] == []
    assert len({operation["operationId"] for operation in found.values()}) == len(found)


def test_every_body_that_is_sent_or_answered_has_an_example(document: dict[str, Any]) -> None:
    without = [
        f"{name}: {part}"
        for name, operation in operations(document).items()
        for part, body in {"request": operation.get("requestBody"), **operation["responses"]}.items()
        if body and "content" in body and not has_example(body)
    ]

    assert without == []


def test_every_operation_lists_its_errors(document: dict[str, Any]) -> None:
    for name, operation in operations(document).items():
        expected = set(ALWAYS)
        if {"bearer": []} in operation.get("security", []) and {} not in operation["security"]:
            expected |= SIGNED_IN
        if name.split()[0] in {"POST", "PUT", "PATCH"}:
            expected |= WITH_BODY
        if "{" in name:
            expected |= {"not_found"}
        assert expected <= problems(operation), name


def test_only_signing_in_needs_no_token(document: dict[str, Any]) -> None:
    open_to_all = {
        name for name, operation in operations(document).items() if {"bearer": []} not in operation.get("security", [])
    }

    assert open_to_all == {
        f"POST /api/v1/auth/{action}/"
        for action in (
            *("register", "login", "refresh", "logout"),
            *("password/reset", "password/reset/confirm", "email/verify", "mfa/verify"),
        )
    }


def test_a_login_has_two_answers_each_with_its_example(document: dict[str, Any]) -> None:
    answer = operations(document)["POST /api/v1/auth/login/"]["responses"]["200"]["content"]["application/json"]

    schema = document["components"]["schemas"][answer["schema"]["$ref"].rpartition("/")[2]]
    shapes = [document["components"]["schemas"][part["$ref"].rpartition("/")[2]] for part in schema["oneOf"]]
    assert [set(shape["required"]) for shape in shapes] == [
        {"access", "refresh", "token_type", "expires_in"},
        {"mfa_required", "mfa_token", "expires_in"},
    ]
    assert [set(example["value"]) for example in answer["examples"].values()] == [
        set(shape["required"]) for shape in shapes
    ]


def test_every_error_is_a_problem_document(document: dict[str, Any]) -> None:
    for name, operation in operations(document).items():
        for status, response in operation["responses"].items():
            if status >= "400":
                assert list(response["content"]) == [PROBLEM], f"{name} {status}"


def test_no_list_of_errors_names_one_that_the_verb_cannot_answer_with(document: dict[str, Any]) -> None:
    for name, operation in operations(document).items():
        if name.split()[0] in {"GET", "DELETE"}:
            assert problems(operation) & {"parse_error", "payload_too_large", "unsupported_media_type"} == set(), name


@pytest.mark.parametrize(
    ("query", "kind"), [("", "application/vnd.oai.openapi"), ("?format=json", "application/vnd.oai.openapi+json")]
)
def test_the_schema_is_served_to_anyone(client: Client, query: str, kind: str) -> None:
    response = client.get(f"/api/schema/{query}")

    assert response.status_code == 200
    assert response.headers["Content-Type"].partition(";")[0] == kind


def test_the_served_schema_is_the_one_the_command_writes(client: Client, document: dict[str, Any]) -> None:
    assert json.loads(client.get("/api/schema/?format=json").content) == document


@pytest.mark.parametrize(
    ("path", "bundle"), [("/api/docs/", "swagger-ui-bundle.js"), ("/api/redoc/", "redoc.standalone.js")]
)
def test_a_page_of_the_documentation_is_made_of_local_files_that_are_there(
    client: Client, path: str, bundle: str
) -> None:
    response = client.get(path)
    page = response.content.decode()
    addresses = re.findall(r"""(?:src|href|spec-url)=["']([^"']*)["']""", page)

    assert response.status_code == 200
    assert re.findall(r"(?:https?:)?//[\w.-]+\.\w+", page) == []
    assert any(address.endswith(bundle) for address in addresses)
    for address in addresses:
        if address.startswith("/static/"):
            assert finders.find(address.removeprefix("/static/")), address
        else:
            assert client.get(address).status_code == 200, address


@pytest.mark.parametrize("path", ["/api/docs/", "/api/redoc/"])
def test_a_page_of_the_documentation_works_under_the_rules_it_sends(client: Client, path: str) -> None:
    response = client.get(path)
    page = response.content.decode()
    rules = dict(rule.strip().split(" ", 1) for rule in response.headers["Content-Security-Policy"].split(";"))

    # Scripts fall back to 'self': one inside of the page, or a handler on an element, would not run.
    assert rules["default-src"] == "'self'"
    assert "script-src" not in rules
    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []
    assert re.findall(r"<[^>]+\son\w+\s*=", page) == []
    assert "'unsafe-inline'" in rules["style-src"]
    assert "blob:" in rules["worker-src"]
    assert "data:" in rules["img-src"]


def test_the_script_of_swagger_ui_reads_our_schema_and_nothing_from_elsewhere(client: Client) -> None:
    script = client.get("/api/docs/?script=")

    assert script.headers["Content-Type"].startswith("application/javascript")
    assert "/api/schema/" in script.content.decode()
    assert re.findall(r"""["'](?:https?:)?//""", script.content.decode()) == []


def test_the_addresses_of_problems_lead_to_their_meaning(client: Client, document: dict[str, Any]) -> None:
    page = client.get("/api/problems/").content.decode()
    named = {code for operation in operations(document).values() for code in problems(operation)}

    assert [code for code in named if f'id="{code}"' not in page] == []


def test_an_enum_has_one_name_wherever_it_stands(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    named = {"$ref": "#/components/schemas/RoleEnum"}

    assert schemas["RoleEnum"]["enum"] == ["admin", "moderator", "user"]
    assert schemas["UserDetail"]["properties"]["role"] == named
    assert schemas["Member"]["properties"]["role"] == {"$ref": "#/components/schemas/RoomRoleEnum"}
    assert sorted(name for name in schemas if "Role" in name) == ["RoleEnum", "RoomRoleEnum"]
