from celery import shared_task

from infrastructure.queue import publisher


@shared_task(name="queue.relay_outbox")
def relay_outbox() -> None:
    """Publish what waits in the outbox; beat asks for it every few seconds."""
    publisher.relay()
