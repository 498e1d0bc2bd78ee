from django.urls import path

from apps.chat.views import BanViewSet, InvitationViewSet, MemberViewSet, MessageViewSet, RoomViewSet

urlpatterns = [
    path("chat/rooms/", RoomViewSet.as_view({"get": "list", "post": "create"}), name="chat-rooms"),
    path(
        "chat/rooms/<slug:slug>/",
        RoomViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="chat-room",
    ),
    path("chat/rooms/<slug:slug>/join/", RoomViewSet.as_view({"post": "join"}), name="chat-room-join"),
    path("chat/rooms/<slug:slug>/leave/", RoomViewSet.as_view({"post": "leave"}), name="chat-room-leave"),
    path("chat/rooms/<slug:slug>/read/", RoomViewSet.as_view({"post": "read"}), name="chat-room-read"),
    path("chat/rooms/<slug:slug>/announce/", RoomViewSet.as_view({"post": "announce"}), name="chat-room-announce"),
    path(
        "chat/rooms/<slug:slug>/members/",
        MemberViewSet.as_view({"get": "list", "post": "create"}),
        name="chat-members",
    ),
    path(
        "chat/rooms/<slug:slug>/members/<uuid:user_id>/",
        MemberViewSet.as_view({"patch": "partial_update", "delete": "destroy"}),
        name="chat-member",
    ),
    path(
        "chat/rooms/<slug:slug>/members/<uuid:user_id>/mute/",
        MemberViewSet.as_view({"post": "mute"}),
        name="chat-member-mute",
    ),
    path(
        "chat/rooms/<slug:slug>/members/<uuid:user_id>/ban/",
        MemberViewSet.as_view({"post": "ban", "delete": "unban"}),
        name="chat-member-ban",
    ),
    path("chat/rooms/<slug:slug>/bans/", BanViewSet.as_view({"get": "list"}), name="chat-bans"),
    path(
        "chat/rooms/<slug:slug>/messages/",
        MessageViewSet.as_view({"get": "history", "post": "create"}),
        name="chat-messages",
    ),
    path(
        "chat/rooms/<slug:slug>/messages/<uuid:message_id>/",
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
