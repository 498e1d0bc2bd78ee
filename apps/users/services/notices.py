from uuid import UUID

from apps.users.enums import Notice
from infrastructure.queue import outbox


class NoticeService:
    @staticmethod
    def tell_owner(*, user_id: UUID, notice: Notice) -> None:
        """Mail the owner once the current transaction is committed."""
        outbox.enqueue("users.send_security_notice", {"user_id": str(user_id), "notice": notice.value})
