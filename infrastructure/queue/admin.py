from datetime import timedelta
from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils import timezone

from infrastructure.queue import outbox
from infrastructure.queue.models import OutboxQuerySet, OutboxRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID


@admin.register(OutboxRow)
class OutboxRowAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """To look at, to run again and to give up: a row edited by hand could run twice or never.

    What a worker has in hand at that moment is left alone, and not counted.

    Payloads hold ids only, so they may be seen.
    """

    list_display = ["name", "state", "age", "attempts", "next_attempt_at", "order_key", "last_error"]
    list_filter = ["state", "name", "created_at"]
    search_fields = ["=id", "=request_id", "=user_id", "=order_key"]
    # The key grows with time and has an index; a week of rows would be sorted for each page.
    ordering = ["-id"]
    actions = ["replay", "discard"]
    # Counting all rows of a table that only grows would make the page slower every day.
    show_full_result_count = False

    @admin.display(ordering="created_at")
    def age(self, row: OutboxRow) -> timedelta:
        seconds = (timezone.now() - row.created_at).total_seconds()
        return timedelta(seconds=int(seconds))

    @admin.action(description="Run now (pending and dead rows)", permissions=["steer"])
    def replay(self, request: HttpRequest, rows: OutboxQuerySet) -> None:
        self._steer(request, rows, outbox.replay, "run again")

    @admin.action(description="Give up (pending rows)", permissions=["steer"])
    def discard(self, request: HttpRequest, rows: OutboxQuerySet) -> None:
        self._steer(request, rows, outbox.discard, "given up")

    def _steer(
        self, request: HttpRequest, rows: OutboxQuerySet, steer: "Callable[[Iterable[UUID]], int]", done: str
    ) -> None:
        wanted = list(rows.values_list("id", flat=True))
        count = steer(wanted)
        level = messages.SUCCESS if count == len(wanted) else messages.WARNING
        self.message_user(request, f"{count} of {len(wanted)} rows {done}.", level)

    def has_steer_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("queue.change_outboxrow")

    def has_add_permission(self, request: HttpRequest) -> bool:  # Django's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: OutboxRow | None = None) -> bool:  # same
        return False

    def has_delete_permission(self, request: HttpRequest, obj: OutboxRow | None = None) -> bool:  # same
        return False
