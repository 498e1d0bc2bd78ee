"""What a real worker runs with beside the tests: their database, their broker, and a mail server of their own."""

import os

from config.settings.test import *  # noqa: F403  # settings modules stack

CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"] = ""  # noqa: F405  # the broker is the tests' own
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_HOST = "127.0.0.1"
EMAIL_PORT = int(os.environ.get("SMTP_PORT", "0"))
CELERY_IMPORTS = ["tests.infrastructure.queue.example_jobs"]
