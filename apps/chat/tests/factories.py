"""Rooms with people and messages in them, made by the services, so that their numbers have no gaps."""

from typing import Any

from django.db import transaction
from factory.base import Factory
from factory.declarations import LazyAttribute, Sequence, SubFactory

from apps.chat.enums import RoomRole, Visibility
from apps.chat.models import Membership, Room
from apps.chat.services import RoomService
from apps.chat.services.members import admit
from apps.chat.services.turns import hold_room
from apps.users.tests.factories import UserFactory


class RoomFactory(Factory[Room]):
    """A public room and its owner, who is `RoomFactory.create(owner=…)` or somebody new."""

    class Meta:
        model = Room

    owner = SubFactory(UserFactory)
    slug = Sequence(lambda number: f"room-{number}")
    name = LazyAttribute(lambda room: room.slug.title())
    visibility = Visibility.PUBLIC

    @classmethod
    def _create(cls, model_class: type[Room], *args: Any, owner: Any, **values: Any) -> Room:
        return RoomService.create(actor=owner, **values)


class MembershipFactory(Factory[Membership]):
    """Somebody's place in a room, whether it is public or private."""

    class Meta:
        model = Membership

    room = SubFactory(RoomFactory)
    user = SubFactory(UserFactory)
    role = RoomRole.MEMBER

    @classmethod
    def _create(cls, model_class: type[Membership], *args: Any, room: Room, user: Any, role: RoomRole) -> Membership:
        with transaction.atomic():
            admit(hold_room(pk=room.pk), user.id, role=role)
        return Membership.objects.get(room=room, user_id=user.id)
