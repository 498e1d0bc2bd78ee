from typing import Final
from uuid import UUID

from celery import shared_task

from infrastructure.queue import jobs, outbox, publisher
from infrastructure.queue.jobs import job

# As long as until beat asks again: of a worker's processes one is kept busy, however much there is.
RELAY_SECONDS: Final = 5


@shared_task(name="queue.relay_outbox")
def relay_outbox() -> None:
    """Publish what waits in the outbox; beat asks for it every few seconds. No job: it cannot wait for itself."""
    jobs.fail_unknown()
    publisher.relay(seconds=RELAY_SECONDS)


@job(name="queue.clean_outbox")
def clean_outbox(_job_id: UUID, /) -> None:
    """Delete rows that nobody will look at any more. Beat asks for it every hour."""
    outbox.purge()
