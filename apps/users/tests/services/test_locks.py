from typing import Any

import pytest
from django.db import transaction
from uuid6 import uuid7

from apps.users.models import User
from apps.users.services.locks import lock_verified_user
from apps.users.tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def test_an_account_is_given_to_whoever_verified_its_present_password() -> None:
    user = UserFactory.create()

    with transaction.atomic():
        assert lock_verified_user(user.pk, user.password) == user
        assert lock_verified_user(uuid7(), user.password) is None


@pytest.mark.parametrize("changes", [{"is_active": False}, {"password": "another hash"}])
def test_an_account_that_changed_since_then_is_not(changes: dict[str, Any]) -> None:
    user = UserFactory.create()
    User.objects.filter(pk=user.pk).update(**changes)

    with transaction.atomic():
        assert lock_verified_user(user.pk, user.password) is None
