from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from apps.common.models import IdempotencyKey
from apps.common.services import IdempotencyService, idempotency
from apps.common.tasks import clean_idempotency_keys

pytestmark = pytest.mark.django_db


def _keys(count: int, *, hours: float) -> list[IdempotencyKey]:
    moment = timezone.now() - timedelta(hours=hours)
    return IdempotencyKey.objects.bulk_create(
        IdempotencyKey(user_id=uuid4(), route="r", digest="d", fingerprint="f", answer="a", created_at=moment)
        for _ in range(count)
    )


def test_only_what_is_a_day_old_goes() -> None:
    _keys(2, hours=24.1)
    [young] = _keys(1, hours=23.9)

    assert IdempotencyService.purge_expired() == 2

    assert IdempotencyKey.objects.get() == young


@pytest.mark.layers_off("one statement for each batch, and the batches are tiny here")
def test_more_keys_than_a_batch_go_in_one_run() -> None:
    _keys(idempotency.PURGE_BATCH + 1, hours=25)

    assert IdempotencyService.purge_expired() == idempotency.PURGE_BATCH + 1
    assert not IdempotencyKey.objects.exists()


def test_the_hourly_clean_up_does_it() -> None:
    _keys(1, hours=25)

    clean_idempotency_keys()

    assert not IdempotencyKey.objects.exists()
