"""Django's own page of a fault, which local use shows."""

from types import FrameType
from typing import Any, override

from django.http import HttpRequest
from django.template.defaultfilters import pprint
from django.views.debug import SafeExceptionReporterFilter

from infrastructure import redaction


class _Shown(str):
    """A text that is shown as it is, without quotes around it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class DiscreetReporterFilter(SafeExceptionReporterFilter):
    """Keeps what is secret off the page. Django's own filter does so only where no such page is shown."""

    cleansed_substitute = redaction.HIDDEN

    @override
    def cleanse_setting(self, key: Any, value: Any) -> Any:
        if isinstance(key, str) and redaction.is_secret(key):
            return self.cleansed_substitute
        cleansed = super().cleanse_setting(key, value)
        return redaction.text(cleansed) if isinstance(cleansed, str) else cleansed

    @override
    def is_active(self, request: HttpRequest | None) -> bool:
        return True

    @override
    def get_post_parameters(self, request: HttpRequest | None) -> Any:
        return {name: self.cleanse_setting(name, value) for name, value in request.POST.items()} if request else {}

    @override
    def get_traceback_frame_variables(self, request: Any, tb_frame: FrameType) -> Any:
        return [
            (name, _Shown(redaction.text(pprint(self.cleanse_setting(name, value)))))
            for name, value in tb_frame.f_locals.items()
        ]
