import json
from collections.abc import Collection, Sequence
from typing import Any, Final
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import BooleanField, Case, F, Func, IntegerField, OuterRef, Q, QuerySet, Subquery, When

from apps.chat.enums import InvitationState, RoomRole, Visibility
from apps.chat.exceptions import BannedError
from apps.chat.managers import RoomQuerySet
from apps.chat.models import Change, Invitation, Membership, Message, Room
from apps.chat.types import PAGE_LIMIT, Access, Changed, Frame, Page, Person, Said, Seat
from apps.common.enums import Role
from apps.common.exceptions import ForbiddenError, NotFoundError
from apps.common.types import Actor
from apps.users.selectors import UserSelector

# No answer and no frame of messages is longer than 64 KiB; a kibibyte is left for what is around them.
PAGE_BYTES: Final = 63 * 1024

# Unread messages are counted no further.
UNREAD: Final = 100
OVERSEERS: Final = (Role.MODERATOR, Role.ADMIN)
_SAID: Final = (
    *("id", "seq", "author_id", "author__name", "author__avatar"),
    *("client_id", "text", "created_at", "edited_at", "deleted_at"),
)
_CHANGED: Final = (
    *("kind", "seq", "user_id", "user__name", "user__avatar"),
    *("details", "created_at", "message_id", "message__text"),
)


def oversees(actor: Actor) -> bool:
    """Tell whether somebody's role lets him read and moderate rooms that he is not in."""
    return actor.role in OVERSEERS


def require_visible(actor: Actor, *, visibility: str, role: str | None, is_banned: bool) -> None:
    """Let pass whoever may see a room.

    Args:
        role: The actor's in the room, if he is in it.
        is_banned: Whether he is banned from it.

    Raises:
        NotFoundError: If it is private and the actor is not in it.
        BannedError: If he is banned from it.
    """
    if oversees(actor):
        return
    if is_banned:
        raise BannedError
    if visibility == Visibility.PRIVATE and role is None:
        raise NotFoundError


def _is_overseen(*, visibility: str, role: str | None, is_banned: bool) -> bool:
    """Tell whether somebody who sees a room does so for his role over all rooms alone."""
    return role is None and (is_banned or visibility == Visibility.PRIVATE)


class RoomSelector:
    @staticmethod
    def by_slug(*, actor: Actor, slug: str) -> Room:
        """Return a room that the actor sees, with `my_role` and `unread`.

        Raises:
            NotFoundError: If there is none.
            BannedError: If he is banned from it.
        """
        found: Any = _shown(Room.objects.living(), actor.id).filter(slug=slug).first()
        if found is None:
            raise NotFoundError
        require_visible(actor, visibility=found.visibility, role=found.my_role, is_banned=found.am_banned)
        room: Room = found
        return room

    @staticmethod
    def slug_of(*, room_id: UUID) -> str:
        """Return the slug of a room, whoever may see it.

        Raises:
            NotFoundError: If it is not there.
        """
        slug = Room.objects.living().filter(pk=room_id).values_list("slug", flat=True).first()
        if slug is None:
            raise NotFoundError
        return slug

    @staticmethod
    def changeable(*, actor: Actor, slug: str) -> Room:
        """Return the same of a room that the actor owns, or may close for his role over all rooms.

        Raises:
            NotFoundError: If he sees none.
            ForbiddenError: If he is neither.
        """
        room: Any = RoomSelector.by_slug(actor=actor, slug=slug)
        _require_role(actor, room.my_role, RoomRole.OWNER, or_overseer=True)
        changeable: Room = room
        return changeable

    @staticmethod
    def access(*, actor: Actor, slug: str, least: RoomRole | None = None, or_overseer: bool = False) -> Access:
        """Return what the actor may do in a room that he sees.

        Args:
            least: The role that he must have there, or a higher one.
            or_overseer: Whether a role over all rooms will do as well.

        Raises:
            NotFoundError: If there is none.
            ForbiddenError: If he is banned from it, or has not that role.
        """
        rooms: Any = Room.objects.living().seen_by(actor.id).filter(slug=slug)
        row = rooms.values_list("id", "visibility", "my_role", "am_banned").first()
        if row is None:
            raise NotFoundError
        room_id, visibility, role, is_banned = row
        require_visible(actor, visibility=visibility, role=role, is_banned=is_banned)
        if least is not None:
            _require_role(actor, role, least, or_overseer=or_overseer)
        return Access(room_id, role, _is_overseen(visibility=visibility, role=role, is_banned=is_banned))

    @staticmethod
    def listing(*, user_id: UUID) -> QuerySet[Room]:
        """Return the user's rooms and the public ones, newest first, for a filter and the paginator."""
        rooms = _Visible(Room)
        rooms.visitor_id = user_id
        visible = rooms.living().filter(Q(visibility=Visibility.PUBLIC) | _is_member(user_id))
        return _shown(visible, user_id).filter(Q(am_banned=False)).order_by("-created_at", "-id")

    @staticmethod
    def own_listing(*, listing: QuerySet[Room], user_id: UUID) -> QuerySet[Room]:
        """Return those rooms of a listing that a user is in."""
        return listing.filter(_is_member(user_id))

    @staticmethod
    def seat(*, actor: Actor, slug: str) -> Seat:
        """Return the actor's place in a room that he sees; without a role if he is not in it.

        Raises:
            NotFoundError: If there is none.
            BannedError: If he is banned from it.
        """
        rooms = Room.objects.living().seen_by(actor.id).filter(slug=slug)
        room: Any = rooms.annotate(
            last_read_seq=F("mine__last_read_seq"), muted_until=F("mine__muted_until"), member_count=_member_count()
        ).first()
        if room is None:
            raise NotFoundError
        require_visible(actor, visibility=room.visibility, role=room.my_role, is_banned=room.am_banned)
        account = UserSelector.by_id(user_id=actor.id)
        return Seat(
            room_id=room.pk,
            slug=room.slug,
            name=room.name,
            visibility=room.visibility,
            role=room.my_role,
            last_seq=room.last_seq,
            last_read_seq=room.last_read_seq if room.my_role else 0,
            muted_until=room.muted_until if room.my_role else None,
            closed_at=room.closed_at,
            member_count=room.member_count,
            is_overseen=_is_overseen(visibility=room.visibility, role=room.my_role, is_banned=room.am_banned),
            author=Person(account.id, account.name, account.avatar).shown(),
        )


class MemberSelector:
    @staticmethod
    def one(*, room_id: UUID, user_id: UUID) -> Membership:
        """Return somebody's place in a room that he is in.

        Raises:
            NotFoundError: If he is not.
        """
        place = Membership.objects.standing().named().filter(room_id=room_id, user_id=user_id).first()
        if place is None:
            raise NotFoundError
        return place

    @staticmethod
    def listing(*, room_id: UUID) -> QuerySet[Membership]:
        """Return those who are in a room, the longest first, for a filter and the paginator."""
        return Membership.objects.standing().named().filter(room_id=room_id).order_by("joined_at", "id")

    @staticmethod
    def banned_listing(*, room_id: UUID) -> QuerySet[Membership]:
        """Return those who are banned from a room, for the paginator."""
        return Membership.objects.named().filter(room_id=room_id, banned_at__isnull=False).order_by("banned_at", "id")

    @staticmethod
    def standing(*, room_id: UUID, user_ids: Collection[UUID]) -> set[UUID]:
        """Return which of some users may be in a room now: its members, and those who oversee all rooms."""
        members = Membership.objects.standing().filter(room_id=room_id, room__deleted_at=None, user_id__in=user_ids)
        standing = set(members.values_list("user_id", flat=True))
        others = set(user_ids) - standing
        if not others or not Room.objects.living().filter(pk=room_id).exists():
            return standing
        return standing | UserSelector.having_role(user_ids=others, roles=OVERSEERS)

    @staticmethod
    def standing_in(*, places: Collection[tuple[UUID, UUID]]) -> set[tuple[UUID, UUID]]:
        """Return which of some places, of a room and a user, are still theirs: for all rooms of a process at once."""
        members = Membership.objects.standing().at(places).filter(room__deleted_at=None)
        standing = set(members.values_list("room_id", "user_id"))
        others = set(places) - standing
        if not others:
            return standing
        overseers = UserSelector.having_role(user_ids={user_id for _, user_id in others}, roles=OVERSEERS)
        return standing | {(room_id, user_id) for room_id, user_id in others if user_id in overseers}


class MessageSelector:
    @staticmethod
    def page(
        *, actor: Actor, slug: str, before: int | None = None, after: int | None = None, limit: int = PAGE_LIMIT
    ) -> Page:
        """Return messages of a room that the actor sees; of neither `before` nor `after` the newest.

        Args:
            before: The number before which they shall be, nearest to it.
            after: The number after which they shall be, nearest to it.
            limit: How many at most; fewer where they would be more than 64 KiB.

        Raises:
            NotFoundError: If there is no such room.
            BannedError: If the actor is banned from it.
        """
        access = RoomSelector.access(actor=actor, slug=slug)
        return MessageSelector.page_of(room_id=access.room_id, before=before, after=after, limit=limit)

    @staticmethod
    def page_of(*, room_id: UUID, before: int | None = None, after: int | None = None, limit: int = PAGE_LIMIT) -> Page:
        """Return the same for whoever is known to see the room."""
        rows = Message.objects.filter(room_id=room_id)
        if after is not None:
            found = rows.filter(seq__gt=after).order_by("seq")
        else:
            found = (rows if before is None else rows.filter(seq__lt=before)).order_by("-seq")
        # One more, which tells whether there are more.
        said = [_said(row).shown() for row in found.values_list(*_SAID)[: limit + 1]]
        fitting = _fitting(said[:limit])
        complete = len(fitting) == len(said)
        return Page(fitting if after is not None else fitting[::-1], complete)

    @staticmethod
    def one(*, room_id: UUID, message_id: UUID) -> Said:
        """Return a message of a room.

        Raises:
            NotFoundError: If it is not there.
        """
        row = Message.objects.filter(pk=message_id, room_id=room_id).values_list(*_SAID).first()
        if row is None:
            raise NotFoundError
        return _said(row)


class ChangeSelector:
    @staticmethod
    def after(*, room_id: UUID, seq: int, limit: int) -> list[Frame]:
        """Return the frames of all that happened in a room after a number, in order.

        Args:
            limit: How many at most. Numbers have no gaps, so two ranges of an index hold just these.
        """
        span = {"room_id": room_id, "seq__gt": seq, "seq__lte": seq + limit}
        messages = Message.objects.filter(**span).values_list(*_SAID)
        changes = Change.objects.filter(**span).values_list(*_CHANGED)
        frames = [*(_said(row).frame() for row in messages), *(_changed(row).frame() for row in changes)]
        return sorted(frames, key=lambda frame: frame["seq"])

    @staticmethod
    def last_seqs(*, room_ids: Collection[UUID]) -> dict[UUID, int]:
        """Return the number of what happened last in each of some rooms; none of a room that is not there."""
        return dict(Room.objects.living().filter(pk__in=room_ids).values_list("pk", "last_seq"))


class InvitationSelector:
    @staticmethod
    def open_listing(*, user_id: UUID) -> QuerySet[Invitation]:
        """Return the invitations that a user has not answered, newest first, for the paginator."""
        rows = Invitation.objects.filter(invitee_id=user_id, state=InvitationState.OPEN, room__deleted_at=None)
        return rows.select_related("room", "inviter").order_by("-created_at", "-id")


def _require_role(actor: Actor, role: str | None, least: RoomRole, *, or_overseer: bool) -> None:
    has_role = role is not None and RoomRole(role).rank >= least.rank
    if not (has_role or (or_overseer and oversees(actor))):
        raise ForbiddenError


class _Visible(RoomQuerySet):
    """Rooms that a visitor sees: the public ones and his own.

    Counted together they would be looked for in the whole table, where most may be the private ones of others.
    """

    visitor_id: UUID

    def _clone(self) -> "_Visible":
        clone: _Visible = super()._clone()  # type: ignore[misc]  # not in the stubs
        clone.visitor_id = self.visitor_id
        return clone

    def count_up_to(self, limit: int) -> int:
        """Return how many there are, or the limit if there are more."""
        # In an order that has an index of its own.
        public = self.filter(visibility=Visibility.PUBLIC).order_by("created_at", "id")[:limit].count()
        private = self.filter(_is_member(self.visitor_id), visibility=Visibility.PRIVATE)
        return public + (private.order_by()[: limit - public].count() if public < limit else 0)


class _IsOneOf(Func):
    """`key = ANY(ARRAY(…))`: unlike `IN` beside an OR it is answered by an index."""

    template = "%(expressions)s)"
    arg_joiner = " = ANY("
    arity = 2
    output_field = BooleanField()


class _CountOf(Subquery):
    """How many rows a subquery has, its limit included."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


def _shown(rooms: RoomQuerySet, user_id: UUID) -> RoomQuerySet:
    """Bring what a room on the wire has for a user besides its own columns."""
    news = Message.objects.filter(room=OuterRef("pk"), seq__gt=OuterRef("mine__last_read_seq"), deleted_at=None)
    # In the order of an index, or the planner might take the whole table for nearer.
    foreign = news.exclude(author=user_id).order_by("seq").values("pk")[:UNREAD]
    unread = Case(When(my_role__isnull=False, then=_CountOf(foreign)), default=0)
    return rooms.seen_by(user_id).annotate(unread=unread)


def _is_member(user_id: UUID) -> Q:
    mine = Membership.objects.standing().filter(user_id=user_id).values("room_id")
    return Q(_IsOneOf(F("pk"), ArraySubquery(mine)))


def _member_count() -> _CountOf:
    return _CountOf(Membership.objects.standing().filter(room=OuterRef("pk")).values("pk"))


def _said(row: Sequence[Any]) -> Said:
    message_id, seq, author_id, name, avatar, *others = row
    author = None if author_id is None else Person(author_id, name, avatar)
    return Said(message_id, seq, author, *others)


def _changed(row: Sequence[Any]) -> Changed:
    kind, seq, user_id, name, avatar, details, at, message_id, text = row
    user = None if user_id is None else Person(user_id, name, avatar)
    return Changed(kind, seq, user, details, at, message_id, text or "")


def _fitting(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the first of the messages that are no more than a page, in whichever way they are written as JSON."""
    fitting = []
    size = 0
    for message in messages:
        size += len(json.dumps(message)) + 2
        if size > PAGE_BYTES:
            break
        fitting.append(message)
    return fitting
