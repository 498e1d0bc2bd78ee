from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from apps.common.models import IdempotencyKey
from apps.common.services import IdempotencyService
from apps.common.tasks import clean_idempotency_keys
from infrastructure import batches
from infrastructure.queue.models import OutboxRow, OutboxState

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


def test_more_keys_than_a_batch_are_left_to_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "SIZE", 2)
    _keys(3, hours=25)

    assert IdempotencyService.purge_expired() == 2
    job = OutboxRow.objects.get()
    clean_idempotency_keys(str(job.pk))

    job.refresh_from_db()
    assert (job.name, job.state) == ("common.clean_idempotency_keys", OutboxState.DONE)
    assert not IdempotencyKey.objects.exists()
