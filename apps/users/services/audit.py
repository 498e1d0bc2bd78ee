from uuid import UUID

from apps.users.enums import AuditAction
from apps.users.models import AuditEntry
from infrastructure import origin
from infrastructure.queue.outbox import JSON


class AuditService:
    @staticmethod
    def record(*, action: AuditAction, account_id: UUID, actor_id: UUID | None = None, **details: JSON) -> None:
        """Write down what is being done, in the transaction that does it.

        Args:
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
