from datetime import datetime
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from apps.users.enums import AuditAction
from apps.users.models import AuditEntry
from infrastructure import origin
from infrastructure.queue.outbox import JSON

PURGE_BATCH: Final = 1_000


class AuditService:
    @staticmethod
    def record(*, action: AuditAction, account_id: UUID | None, actor_id: UUID | None = None, **details: JSON) -> None:
        """Write down what is being done, in the transaction that does it.

        Args:
            account_id: To whose account; None if it is done to nobody's.
            actor_id: Whoever does it; the account itself if nobody is named.
            details: Names of fields, ids, counts: never a value that somebody typed.
        """
        client = origin.current()
        AuditEntry.objects.create(
            action=action,
            account_id=account_id,
            actor_id=actor_id or account_id,
            address=client.address,
            user_agent=client.user_agent,
            request_id=origin.request_id(),
            details=details,
        )

    @staticmethod
    def purge_old() -> int:
        """Delete what is older than AUDIT_RETENTION, in batches, and return how many entries went."""
        until = timezone.now() - settings.AUDIT_RETENTION
        deleted = 0
        while batch := _purge_batch(until):
            deleted += batch
        return deleted


@transaction.atomic(durable=True)
def _purge_batch(until: datetime) -> int:
    with connection.cursor() as cursor:
        # What the trigger asks of whoever deletes; it holds to the end of this transaction, which is why it is durable.
        cursor.execute("SET LOCAL layerline.audit_purge = 'on'")
    old = AuditEntry.objects.filter(created_at__lte=until).order_by("created_at")
    return AuditEntry.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:PURGE_BATCH])).delete()[0]
