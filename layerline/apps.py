from django.apps import AppConfig


class LayerlineConfig(AppConfig):
    """An app only so that `manage.py` finds the toolkit's commands."""

    name = "layerline"
    label = "layerline"
