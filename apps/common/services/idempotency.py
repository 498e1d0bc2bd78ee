from collections.abc import Callable
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.crypto import constant_time_compare, salted_hmac

from apps.common.exceptions import KeyReusedError, StillRunningError
from apps.common.models import IdempotencyKey
from apps.common.types import Attempt
from infrastructure import batches
from infrastructure.queue import outbox

KEPT_FOR: Final = timedelta(hours=24)


class IdempotencyService:
    @staticmethod
    def once[Answer](
        *,
        attempt: Attempt,
        work: Callable[[], Answer],
        keep: Callable[[Answer], str | None],
        restore: Callable[[str], Answer],
    ) -> Answer:
        """Do the work, or return what came of it where an earlier attempt did it.

        Work and answer are committed together, so that there is never one of them without the other. An error of the
        work undoes it, and the key is as good as new.

        Args:
            work: Makes the change. It runs in this transaction, so none of its own can be durable.
            keep: Returns the answer as a text, or None if it is not to be kept.
            restore: Makes the answer of that text.

        Raises:
            StillRunningError: If another attempt under the key has not ended.
            KeyReusedError: If the key stands for another content.
        """
        # Hashed, since nobody knows what a client makes its keys and contents of.
        scope = {"user_id": attempt.user_id, "route": attempt.route, "digest": _digest("key", attempt.key)}
        fingerprint = _digest("content", attempt.content)
        with transaction.atomic(durable=True):
            _take(scope)
            kept = _kept_answer(scope, fingerprint)
            if kept is not None:
                return restore(kept)
            answer = work()
            text = keep(answer)
            if text is not None:
                IdempotencyKey.objects.create(**scope, fingerprint=fingerprint, answer=text)
        return answer

    @staticmethod
    def forget(*, user_id: UUID) -> None:
        """Delete all that is kept of a user's requests."""
        IdempotencyKey.objects.filter(user_id=user_id).delete()

    @staticmethod
    def purge_expired() -> int:
        """Delete a batch of the keys that are over, leave the next to a job, and return how many went."""
        with transaction.atomic():
            purged = batches.delete(
                IdempotencyKey.objects.filter(created_at__lte=Now() - KEPT_FOR), oldest="created_at"
            )
            if purged.more:
                outbox.enqueue("common.clean_idempotency_keys", {})
        return purged.count


def _digest(purpose: str, text: str) -> str:
    return salted_hmac(f"apps.common.idempotency.{purpose}", text, algorithm="sha256").hexdigest()


def _take(scope: dict[str, object]) -> None:
    """Hold the key until the transaction ends, whichever process asks for it, or raise if somebody else holds it."""
    name = ":".join(str(part) for part in ("idempotency", *scope.values()))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [name])
        (taken,) = cursor.fetchone()
    if not taken:
        raise StillRunningError


def _kept_answer(scope: dict[str, object], fingerprint: str) -> str | None:
    """Return what is kept under the key, and make room where its day is over."""
    kept = IdempotencyKey.objects.filter(**scope).annotate(is_over=Q(created_at__lte=Now() - KEPT_FOR)).first()
    if kept is None:
        return None
    if kept.is_over:
        kept.delete()
        return None
    if not constant_time_compare(kept.fingerprint, fingerprint):
        raise KeyReusedError
    return kept.answer
