from celery import shared_task

from apps.common.services import IdempotencyService


@shared_task(name="common.clean_idempotency_keys")
def clean_idempotency_keys() -> None:
    """Delete the answers that were kept for a second try and are a day old. Beat sends it every hour."""
    IdempotencyService.purge_expired()
