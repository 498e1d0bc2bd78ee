from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from apps.chat.models import Membership, Message, Room
from apps.chat.selectors import oversees
from apps.chat.services import MemberService, MessageService, ReadingService, RoomService
from apps.common.admin import ServiceAdmin, reason
from apps.common.exceptions import AppException
from apps.common.pagination import CappedPaginator
from apps.common.requests import actor
from infrastructure.redis import RedisUnavailable

MUTED_FOR: Final = timedelta(days=1)
# What narrows the list of members, and that of messages, to a room.
ROOM_FILTER: Final = "room__id__exact"


class OverseerAdmin[Row: Model](ServiceAdmin[Row]):
    """Pages for whoever may use the site and oversees all rooms: his role decides, as over the API."""

    paginator = CappedPaginator
    show_full_result_count = False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.is_authenticated and oversees(actor(request))

    def has_view_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        return self.has_module_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        return False

    def each(self, request: HttpRequest, rows: QuerySet[Row], work: Callable[[Row], object], done: str) -> None:
        """Do something with each of the selected rows, and tell how many it was done with and why not with others."""
        count = 0
        for row in rows:
            try:
                work(row)
                count += 1
            except (AppException, RedisUnavailable) as error:
                self.message_user(request, f"{row}: {reason(error)}", messages.ERROR)
        if count:
            self.message_user(request, f"{count} {done}.", messages.SUCCESS)


@admin.register(Room)
class RoomAdmin(OverseerAdmin[Room]):
    """Rooms, to look at, close and open again."""

    list_display = ("slug", "name", "visibility", "closed_at", "created_at", "what_was_said", "who_is_there")
    list_filter = ("visibility", ("closed_at", admin.EmptyFieldListFilter))
    search_fields = ("slug", "name")
    search_help_text = "Beginnings of words of the name or the slug."
    actions = ("close", "open_again")
    fields = (
        *("id", "slug", "name", "visibility", "last_seq", "closed_at", "created_at", "updated_at"),
        *("what_was_said", "who_is_there"),
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Room]:
        return Room.objects.living()

    def has_change_permission(self, request: HttpRequest, obj: Room | None = None) -> bool:
        """Of none by a form, which would write back the room's number as well; the actions go through the services."""
        return obj is None and super().has_change_permission(request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Room], search_term: str
    ) -> tuple[QuerySet[Room], bool]:
        found = Room.objects.living().search(search_term).values("pk") if search_term.strip() else None
        return (queryset.filter(pk__in=found) if found is not None else queryset), False

    @admin.display(description="messages")
    def what_was_said(self, room: Room) -> str:
        return _link("message", room, "messages")

    @admin.display(description="members")
    def who_is_there(self, room: Room) -> str:
        return _link("membership", room, "members")

    @admin.action(permissions=["change"], description="Close the selected rooms")
    def close(self, request: HttpRequest, queryset: QuerySet[Room]) -> None:
        self._set_closed(request, queryset, closed=True)

    @admin.action(permissions=["change"], description="Open the selected rooms again")
    def open_again(self, request: HttpRequest, queryset: QuerySet[Room]) -> None:
        self._set_closed(request, queryset, closed=False)

    def _set_closed(self, request: HttpRequest, rooms: QuerySet[Room], *, closed: bool) -> None:
        def work(room: Room) -> None:
            RoomService.update(actor=actor(request), slug=room.slug, changes={"closed": closed})

        self.each(request, rooms, work, "closed" if closed else "open")


@admin.register(Membership)
class MembershipAdmin(OverseerAdmin[Membership]):
    """Who is or was in which room, and who may say nothing there."""

    list_display = ("person", "room", "role", "joined_at", "left_at", "banned_at", "muted_until")
    list_filter = ("role", ("muted_until", admin.EmptyFieldListFilter), ("banned_at", admin.EmptyFieldListFilter))
    ordering = ("-joined_at", "-id")
    actions = ("mute_for_a_day", "let_speak_again")
    readonly_fields = ("person", "user_id", "room", "role", "joined_at", "left_at", "banned_at")
    fields = (*readonly_fields, "muted_until")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        return Membership.objects.filter(room__deleted_at=None).select_related("room", "user")

    @admin.display
    def person(self, member: Membership) -> str:
        return member.person.name

    def save_model(
        self,
        request: HttpRequest,
        obj: Membership,
        form: forms.ModelForm[Membership],
        change: bool,  # noqa: FBT001  # Django's signature
    ) -> None:
        _mute(request, obj, form.cleaned_data["muted_until"])

    @admin.action(permissions=["change"], description="Mute the selected members for a day")
    def mute_for_a_day(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        until = timezone.now() + MUTED_FOR
        self.each(request, queryset, lambda member: _mute(request, member, until), "muted")

    @admin.action(permissions=["change"], description="Let the selected members speak again")
    def let_speak_again(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        self.each(request, queryset, lambda member: _mute(request, member, None), "may speak")


@admin.register(Message)
class MessageAdmin(OverseerAdmin[Message]):
    """What was said in one room, to look at, which is written down, and to remove."""

    list_display = ("seq", "person", "text", "created_at", "edited_at", "deleted_at")
    list_display_links = None
    ordering = ("-seq",)
    actions = ("remove",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        return Message.objects.select_related("room", "author")

    def has_view_permission(self, request: HttpRequest, obj: Message | None = None) -> bool:
        """Not of a single one: reading is written down for a room."""
        return obj is None and super().has_view_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Message | None = None) -> bool:
        return obj is None and super().has_change_permission(request)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the messages of the room that the address names; without one there is none to choose from."""
        try:
            if self.has_view_permission(request):
                ReadingService.look(actor=actor(request), room_id=UUID(request.GET.get(ROOM_FILTER, "")))
        except (AppException, ValueError):
            self.message_user(request, "Choose the room whose messages you want to see.", messages.WARNING)
            return HttpResponseRedirect(reverse("admin:chat_room_changelist"))
        return super().changelist_view(request, extra_context)

    @admin.display
    def person(self, message: Message) -> str:
        return message.author.name if message.author else "the room itself"

    @admin.action(permissions=["change"], description="Remove the selected messages")
    def remove(self, request: HttpRequest, queryset: QuerySet[Message]) -> None:
        def work(message: Message) -> None:
            MessageService.delete(actor=actor(request), slug=message.room.slug, message_id=message.pk)

        self.each(request, queryset, work, "removed")


def _mute(request: HttpRequest, member: Membership, until: datetime | None) -> None:
    MemberService.mute(actor=actor(request), slug=member.room.slug, user_id=member.user_id, until=until)


def _link(model: str, room: Room, text: str) -> str:
    """Return a link to what belongs to a room."""
    return format_html(
        '<a href="{}?{}={}">{}</a>', reverse(f"admin:chat_{model}_changelist"), ROOM_FILTER, room.pk, text
    )
