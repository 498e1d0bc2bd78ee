from typing import Any

import pytest
from django.contrib.admin import AdminSite
from django.contrib.auth.models import Group
from django.contrib.messages.storage.base import BaseStorage
from django.http import HttpRequest
from django.test import RequestFactory

from apps.common.admin import ServiceAdmin
from apps.common.exceptions import ConflictError
from infrastructure.redis import RedisUnavailable

pytestmark = pytest.mark.django_db


class _Superuser:
    is_active = is_staff = True
    pk = 1

    def has_perm(self, *_: Any) -> bool:
        return True

    def get_username(self) -> str:
        return "root"


class _Notes(BaseStorage):
    """Messages that are kept by the request alone."""

    def _get(self, *_: Any, **__: Any) -> tuple[list[Any], bool]:
        return [], True

    def _store(self, *_: Any, **__: Any) -> list[Any]:
        return []


class _RefusingAdmin(ServiceAdmin[Group]):
    fields = ("name",)
    error: Exception

    def save_model(self, *_: Any) -> None:
        raise self.error

    def delete_model(self, *_: Any) -> None:
        raise self.error


def _post(path: str, data: dict[str, str]) -> HttpRequest:
    request: Any = RequestFactory().post(path, data)
    request.user, request._dont_enforce_csrf_checks = _Superuser(), True
    request._messages = _Notes(request)
    return request  # type: ignore[no-any-return]  # Django's, with what middleware would have added


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ConflictError("Not twice."), "Not twice."),
        (RedisUnavailable("10.0.0.1"), "A service that this needs does not answer. Try again shortly."),
    ],
)
def test_what_a_service_refuses_is_a_message_on_the_page(error: Exception, sentence: str) -> None:
    group = Group.objects.create(name="before")
    admin = _RefusingAdmin(Group, AdminSite())
    admin.error = error
    changing, deleting = _post("/change/?a=b", {"name": "after"}), _post("/delete/", {"post": "yes"})

    changed = admin.changeform_view(changing, str(group.pk))
    deleted = admin.delete_view(deleting, str(group.pk))

    assert [(response.status_code, response.headers["Location"]) for response in (changed, deleted)] == [
        (302, "/change/?a=b"),
        (302, "/delete/"),
    ]
    for request in (changing, deleting):
        assert [str(message) for message in request._messages] == [sentence]  # type: ignore[attr-defined]  # set above
    assert Group.objects.get().name == "before"
