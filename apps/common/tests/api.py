"""What every test of the API needs: who asks, and what the answer says."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from apps.common.enums import Role

if TYPE_CHECKING:
    from conftest import AuthenticatedClient

type Client = AuthenticatedClient
# By a role, as a new account, or by an account.
type SignIn = Callable[[Role | Any], AuthenticatedClient]


def problem(response: Any) -> tuple[int, str]:
    """Return the status and the code of an answer, which must be a problem document."""
    body = response.json()
    assert response.headers["Content-Type"] == "application/problem+json"
    assert body["status"] == response.status_code
    assert body["type"] == f"/api/problems/#{body['code']}"
    return response.status_code, body["code"]


def wrong_fields(response: Any) -> dict[str, str]:
    """Return the code of each field that a 400 names."""
    assert problem(response) == (400, "validation_error")
    return {error["field"]: error["code"] for error in response.json()["errors"]}
