from typing import Any

from django.contrib import admin, messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from apps.common.exceptions import AppException, InvalidInputError, UnavailableError
from infrastructure.redis import RedisUnavailable


class ServiceAdmin[Row: Model](admin.ModelAdmin[Row]):
    """Pages whose changes go through services: the rule that one breaks is a message on the page."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show or save a row."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except (AppException, RedisUnavailable) as error:
            return self._refused(request, error)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask, and delete a row."""
        try:
            return super().delete_view(request, object_id, extra_context)
        except (AppException, RedisUnavailable) as error:
            return self._refused(request, error)

    def _refused(self, request: HttpRequest, error: AppException | RedisUnavailable) -> HttpResponse:
        self.message_user(request, reason(error), messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())


def reason(error: AppException | RedisUnavailable) -> str:
    """Return what a person is told."""
    if isinstance(error, InvalidInputError):
        return " ".join(f"{wrong.field}: {wrong.detail}" for wrong in error.errors)
    return error.detail if isinstance(error, AppException) else UnavailableError.detail
