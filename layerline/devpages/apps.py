from typing import Any, Final

from celery.signals import worker_process_init
from django.apps import AppConfig
from django.conf import settings
from django.core.signals import request_started
from django.utils.module_loading import import_string

_BEGINNINGS: Final[tuple[Any, ...]] = (request_started, worker_process_init)
_RECEIVER: Final = "layerline.devpages"


class DevPagesConfig(AppConfig):
    name = "layerline.devpages"
    label = "devpages"

    def ready(self) -> None:
        if getattr(settings, "FLOWS_RECORDED", False):
            # Not before there is something to record: a command or beat, which serve nobody, pay nothing.
            for signal in _BEGINNINGS:
                signal.connect(_record, weak=False, dispatch_uid=_RECEIVER)


def _record(**_: Any) -> None:
    # The instrument needs every app and the framework's own modules, which cannot be imported while apps are loaded.
    import_string("layerline.devpages.recording.start")()
    for signal in _BEGINNINGS:
        signal.disconnect(dispatch_uid=_RECEIVER)
