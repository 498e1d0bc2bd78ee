from django.apps import AppConfig


class QueueConfig(AppConfig):
    name = "infrastructure.queue"
    label = "queue"
    verbose_name = "Background work"
