from django.apps import AppConfig


class EmailConfig(AppConfig):
    """An app only so that Django's loader finds the templates beside the code."""

    name = "infrastructure.email"
    label = "mail"
