from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from apps.users.enums import AuditAction
from apps.users.models import AuditEntry
from infrastructure import batches, origin
from infrastructure.queue import outbox
from infrastructure.queue.outbox import JSON


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
        """Delete a batch of what is older than AUDIT_RETENTION, leave the next to a job, and return how many went."""
        old = AuditEntry.objects.filter(created_at__lte=timezone.now() - settings.AUDIT_RETENTION)
        with transaction.atomic():
            with deleting_entries():
                purged = batches.delete(old, oldest="created_at")
            if purged.more:
                outbox.enqueue("users.clean_audit_trail", {})
        return purged.count


@contextmanager
def deleting_entries() -> Iterator[None]:
    """Tell the trigger that guards the trail that to delete entries is what this transaction wants, in the block."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL layerline.audit_purge = 'on'")
        yield
        cursor.execute("SET LOCAL layerline.audit_purge = 'off'")
