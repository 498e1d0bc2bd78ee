from uuid import UUID

from apps.users.models import User
from infrastructure.queue.jobs import job


@job(name="tests.fail_over_an_account")
def fail_over_an_account(job_id: UUID, /, *, user_id: str) -> None:
    """Fail as a job does that says whom it could not reach."""
    user = User.objects.get(pk=user_id)
    phone = user.phone
    raise RuntimeError(f"cannot reach {user.email} at {phone}\nDETAIL: {user.name}, {phone}")
