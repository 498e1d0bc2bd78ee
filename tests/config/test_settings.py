import ast
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pytest
from django.conf import settings
from django.test import Client, RequestFactory
from django.urls import resolve
from packaging.version import parse

from config.settings import base

SETTINGS: Final = Path(__file__).parents[2] / "config" / "settings"
MINIMUM: Final = {"django": "5.2.19", "djangorestframework": "3.17.2", "pyjwt": "2.14", "cryptography": "50"}


def test_the_limits_of_each_scope_stand_in_one_place() -> None:
    assert set(settings.THROTTLE_RATES) >= {
        "login",
        "login_address",
        "mfa",
        "mfa_address",
        "mfa_codes",
        "mfa_codes_sustained",
        "login_failures",
        "register",
        "register_address",
        "reset",
        "reset_address",
        "verify",
        "verify_address",
        "password",
        "burst",
        "sustained",
        "anonymous_burst",
        "anonymous_sustained",
    }
    assert "DEFAULT_THROTTLE_RATES" not in settings.REST_FRAMEWORK


@pytest.mark.parametrize("path", sorted(SETTINGS.glob("*.py")), ids=lambda path: path.stem)
def test_no_setting_stands_twice_in_one_file(path: Path) -> None:
    """Of two REST_FRAMEWORK the last one wins, with all that it leaves out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    written = [
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) or (isinstance(node, ast.AnnAssign) and node.value is not None)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    ]
    assert sorted(written) == sorted(set(written))


def test_whoever_guesses_codes_has_less_than_a_chance_in_six_thousand_a_day() -> None:
    (hourly, hour), (daily, day) = (base.THROTTLE_RATES[scope] for scope in ("mfa_codes", "mfa_codes_sustained"))

    assert (hourly, hour, day) == (20, 3_600, 86_400)
    # Three codes of a million are good at any time.
    assert daily * 3 / 1_000_000 < 1 / 6_000


def test_nothing_is_open_unless_a_view_says_so() -> None:
    rest: Any = settings.REST_FRAMEWORK
    assert rest["DEFAULT_PERMISSION_CLASSES"] == ["rest_framework.permissions.IsAuthenticated"]


def test_caches_and_tasks_hold_json_and_never_pickles() -> None:
    caches: Any = settings.CACHES
    assert caches["default"]["OPTIONS"]["SERIALIZER"] == "django_redis.serializers.json.JSONSerializer"
    assert settings.CELERY_TASK_SERIALIZER == "json"
    assert settings.CELERY_ACCEPT_CONTENT == ["json"]
    assert not hasattr(settings, "CELERY_RESULT_BACKEND")


def test_a_task_ends_before_it_would_be_delivered_again() -> None:
    transport: Any = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    visibility: int = transport["visibility_timeout"]

    assert settings.CELERY_TASK_SOFT_TIME_LIMIT < settings.CELERY_TASK_TIME_LIMIT < visibility
    assert settings.CELERY_TASK_ACKS_LATE
    assert settings.CELERY_TASK_REJECT_ON_WORKER_LOST
    assert settings.CELERY_WORKER_PREFETCH_MULTIPLIER == 1


def test_every_test_process_has_keys_of_its_own() -> None:
    assert settings.REDIS_KEY_PREFIX.startswith("test:")
    assert settings.CACHES["default"]["KEY_PREFIX"] == settings.REDIS_KEY_PREFIX
    assert settings.CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"] == f"{settings.REDIS_KEY_PREFIX}:celery:"
    layers: Any = settings.CHANNEL_LAYERS
    assert layers["default"]["CONFIG"]["prefix"] == f"{settings.REDIS_KEY_PREFIX}:sockets:"


def test_the_pages_of_local_use_are_in_no_other_settings() -> None:
    assert "layerline.devpages" not in settings.INSTALLED_APPS
    assert settings.DEBUG is False


@pytest.mark.parametrize("package", MINIMUM)
def test_no_library_is_older_than_its_last_known_hole(package: str) -> None:
    assert parse(version(package)) >= parse(MINIMUM[package])


@pytest.mark.parametrize("path", ["/api/schema/", "/api/docs/", "/api/redoc/"])
def test_the_documentation_is_outside_of_the_limits(client: Client, settings: Any, path: str) -> None:
    settings.THROTTLE_RATES = {**settings.THROTTLE_RATES, "anonymous_burst": (1, 60), "burst": (1, 60)}
    view = resolve(path).func

    answers = [view(RequestFactory().get(path)).status_code for _ in range(3)]

    assert answers == [200, 200, 200]


@pytest.mark.parametrize("path", ["/api/schema/", "/api/docs/", "/api/redoc/"])
def test_the_documentation_knows_no_method_but_reading(client: Client, path: str) -> None:
    response = client.post(path)

    assert response.status_code == 405
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "method_not_allowed"
    assert response.headers["Allow"].split(", ")[:2] == ["GET", "HEAD"]


def test_a_schema_in_a_form_that_is_not_known_is_refused_in_json(client: Client) -> None:
    response = client.get("/api/schema/", headers={"accept": "image/png"})

    assert response.status_code == 406
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "not_acceptable"
