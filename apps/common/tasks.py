from uuid import UUID

from apps.common.services import IdempotencyService
from infrastructure.queue.jobs import job


@job(name="common.clean_idempotency_keys")
def clean_idempotency_keys(_job_id: UUID) -> None:
    """Delete the answers that were kept for a second try and are a day old. Beat asks for it every hour."""
    IdempotencyService.purge_expired()
