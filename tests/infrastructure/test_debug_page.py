from typing import Any, Final
from uuid import uuid4

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from pytest_django import Settings

# Made here, so that no line of the source, which the page shows, holds one.
CANARY: Final = f"canary-{uuid4().hex}"


def failing(request: HttpRequest) -> HttpResponse:
    """Fail beside local variables of every kind."""
    password = request.POST["password"]
    data: dict[str, Any] = {"token": CANARY, "name": "Ada", "inner": [{"phone": CANARY}]}
    address = f"{CANARY}@example.com"
    note = "an open word"
    raise ValueError(f"{len(password)} {len(data)} {len(address)} {note}")


urlpatterns = [path("failing/", failing)]
pytestmark = pytest.mark.urls(__name__)


@pytest.mark.parametrize("accept", ["text/html", "text/plain"])
def test_the_page_of_a_fault_shows_what_happened_and_no_secret(settings: Settings, accept: str) -> None:
    settings.DEBUG = True
    settings.CELERY_BROKER_URL = f"redis://:{CANARY}@redis.internal/0"
    client = Client(raise_request_exception=False, headers={"authorization": f"Bearer {CANARY}", "accept": accept})
    client.cookies["sessionid"] = CANARY

    response = client.post("/failing/", {"password": CANARY})

    page = response.content.decode()
    assert response.status_code == 500
    assert "an open word" in page
    assert "failing" in page
    assert CANARY not in page
