from factory.declarations import LazyAttribute, Sequence
from factory.django import DjangoModelFactory

from apps.chat.enums import Visibility
from apps.chat.models import Room


class RoomFactory(DjangoModelFactory[Room]):
    """A public room in which nobody is."""

    class Meta:
        model = Room

    slug = Sequence(lambda number: f"room-{number}")
    name = LazyAttribute(lambda room: room.slug.title())
    visibility = Visibility.PUBLIC
