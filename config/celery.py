"""The Celery application: `celery -A config.celery worker`."""

import os

from celery import Celery
from celery.signals import setup_logging, worker_process_init, worker_process_shutdown

from config import telemetry

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")

app = Celery("layerline")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def _keep_our_logging(**_: object) -> None:
    """Stop Celery from replacing the logging that the settings configured: a receiver is all it takes."""


@worker_process_init.connect
def _start_telemetry(**_: object) -> None:
    # Not before: Celery replaces the call of a task when a worker starts.
    telemetry.start()


@worker_process_shutdown.connect
def _stop_telemetry(**_: object) -> None:
    telemetry.stop()
