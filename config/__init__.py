"""Wiring. Whoever loads the settings has the Celery application as well: web processes publish through it."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
