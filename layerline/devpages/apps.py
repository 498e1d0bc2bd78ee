from django.apps import AppConfig


class DevPagesConfig(AppConfig):
    name = "layerline.devpages"
    label = "devpages"
