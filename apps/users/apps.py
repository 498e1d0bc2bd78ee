from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class UsersConfig(AppConfig):
    name = "apps.users"
    label = "users"
    verbose_name = "accounts"

    def ready(self) -> None:
        autodiscover_modules("signals")
