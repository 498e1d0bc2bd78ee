from datetime import timedelta

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from infrastructure.queue.models import OutboxRow


@admin.register(OutboxRow)
class OutboxRowAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """To look at: a row edited by hand could run twice or never. Payloads hold ids only, so they may be seen."""

    list_display = ["name", "state", "age", "attempts", "next_attempt_at", "order_key", "last_error"]
    list_filter = ["state", "name", "created_at"]
    search_fields = ["=id", "=request_id", "=user_id", "=order_key"]
    ordering = ["-created_at"]
    # Counting all rows of a table that only grows would make the page slower every day.
    show_full_result_count = False

    @admin.display(ordering="created_at")
    def age(self, row: OutboxRow) -> timedelta:
        seconds = (timezone.now() - row.created_at).total_seconds()
        return timedelta(seconds=int(seconds))

    def has_add_permission(self, request: HttpRequest) -> bool:  # Django's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: OutboxRow | None = None) -> bool:  # same
        return False

    def has_delete_permission(self, request: HttpRequest, obj: OutboxRow | None = None) -> bool:  # same
        return False
