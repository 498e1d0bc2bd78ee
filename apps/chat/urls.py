from django.urls import path, register_converter
from django.urls.converters import SlugConverter

from apps.chat.views import BanViewSet, InvitationViewSet, MemberViewSet, MessageViewSet, RoomViewSet


class RoomSlugConverter(SlugConverter):
    """What a room may be called; nothing else is asked of the database."""

    regex = "[a-z0-9_-]{1,64}"


register_converter(RoomSlugConverter, "room")

urlpatterns = [
    path("chat/rooms/", RoomViewSet.as_view({"get": "list", "post": "create"}), name="chat-rooms"),
    path(
        "chat/rooms/<room:slug>/",
        RoomViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="chat-room",
    ),
    path("chat/rooms/<room:slug>/join/", RoomViewSet.as_view({"post": "join"}), name="chat-room-join"),
    path("chat/rooms/<room:slug>/leave/", RoomViewSet.as_view({"post": "leave"}), name="chat-room-leave"),
    path("chat/rooms/<room:slug>/read/", RoomViewSet.as_view({"post": "read"}), name="chat-room-read"),
    path("chat/rooms/<room:slug>/announce/", RoomViewSet.as_view({"post": "announce"}), name="chat-room-announce"),
    path(
        "chat/rooms/<room:slug>/members/",
        MemberViewSet.as_view({"get": "list", "post": "create"}),
        name="chat-members",
    ),
    path(
        "chat/rooms/<room:slug>/members/<uuid:user_id>/",
        MemberViewSet.as_view({"patch": "partial_update", "delete": "destroy"}),
        name="chat-member",
    ),
    path(
        "chat/rooms/<room:slug>/members/<uuid:user_id>/mute/",
        MemberViewSet.as_view({"post": "mute"}),
        name="chat-member-mute",
    ),
    path(
        "chat/rooms/<room:slug>/members/<uuid:user_id>/ban/",
        MemberViewSet.as_view({"post": "ban", "delete": "unban"}),
        name="chat-member-ban",
    ),
    path("chat/rooms/<room:slug>/bans/", BanViewSet.as_view({"get": "list"}), name="chat-bans"),
    path(
        "chat/rooms/<room:slug>/messages/",
        MessageViewSet.as_view({"get": "history", "post": "create"}),
        name="chat-messages",
    ),
    path(
        "chat/rooms/<room:slug>/messages/<uuid:message_id>/",
        MessageViewSet.as_view({"patch": "partial_update", "delete": "destroy"}),
        name="chat-message",
    ),
    path("chat/invitations/", InvitationViewSet.as_view({"get": "list"}), name="chat-invitations"),
    path(
        "chat/invitations/<uuid:invitation_id>/accept/",
        InvitationViewSet.as_view({"post": "accept"}),
        name="chat-invitation-accept",
    ),
    path(
        "chat/invitations/<uuid:invitation_id>/decline/",
        InvitationViewSet.as_view({"post": "decline"}),
        name="chat-invitation-decline",
    ),
]
