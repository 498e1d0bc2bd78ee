from typing import Final

from django.dispatch import Signal

# Sent with `error` when a job fails for the first time and when it is given up, for whoever reports what goes wrong.
job_failed: Final = Signal()
