from importlib import import_module

from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "apps.chat"
    label = "chat"
    verbose_name = "rooms"

    def ready(self) -> None:
        # Whichever process closes an account: its rooms are handed over there.
        import_module(f"{self.name}.services")
