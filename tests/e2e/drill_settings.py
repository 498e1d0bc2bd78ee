"""What the servers of the canary drill run with: as in production, logs for machines and reports that are sent."""

import os

from config import logs
from infrastructure import reports
from tests.e2e.settings import *  # noqa: F403  # settings modules stack

ROOT_URLCONF = "tests.e2e.drill_urls"
CELERY_IMPORTS = ["tests.e2e.failing_jobs"]
logs.configure(level="DEBUG", json=True)
reports.configure(dsn=os.environ["DRILL_SENTRY_DSN"], environment="drill")
