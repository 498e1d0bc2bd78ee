from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F, OuterRef, Subquery
from django.db.models.functions import Greatest, Least
from django.utils import timezone

from apps.chat.enums import InvitationState, MemberChange, RoomRole, Visibility
from apps.chat.exceptions import BannedError, NotMemberError
from apps.chat.models import Invitation, Membership, Room
from apps.chat.selectors import RoomSelector, oversees
from apps.chat.services.closures import keep_accounts_open, require_open_account
from apps.chat.services.turns import Turn, member_entry, record, take_turn
from apps.common.exceptions import FieldError, ForbiddenError, InvalidInputError, NotFoundError
from apps.common.types import Actor
from apps.users.enums import AuditAction
from apps.users.services import AuditService


class MemberService:
    @staticmethod
    def join(*, actor: Actor, slug: str) -> Room:
        """Make the actor a member of a public room; a member stays what he is.

        Raises:
            NotFoundError: If he sees no such room.
            ForbiddenError: If he is banned from it, or it is private and he sees it for his role over all rooms alone.
            ClosedAccountError: If his account was closed meanwhile.
        """
        with transaction.atomic():
            keep_accounts_open()
            turn = take_turn(actor, slug)
            if turn.role is None:
                require_open_account(actor.id)
                if turn.mine and turn.mine.banned_at is not None:
                    raise BannedError
                if turn.room.visibility == Visibility.PRIVATE:
                    raise ForbiddenError
                admit(turn.room, actor.id)
        return RoomSelector.by_slug(actor=actor, slug=slug)

    @staticmethod
    def leave(*, actor: Actor, slug: str) -> None:
        """Take the actor out of a room; whoever is not in it stays so.

        Raises:
            NotFoundError: If he sees no such room.
            BannedError: If he is banned from it.
            SoleOwnerError: If it would be left without an owner.
        """
        with transaction.atomic():
            turn = take_turn(actor, slug)
            if turn.mine is None or turn.role is None:
                return
            turn.require_another_owner(turn.mine)
            _take_out(turn.room, turn.mine, MemberChange.LEFT)

    @staticmethod
    def remove(*, actor: Actor, slug: str, user_id: UUID) -> None:
        """Take a member out of a room, who may come back if it is public; oneself is to leave.

        Raises:
            NotFoundError: If the actor sees no such room, or there is no such member.
            ForbiddenError: If he does not stand above the member.
            SoleOwnerError: If the room would be left without an owner.
        """
        if user_id == actor.id:
            MemberService.leave(actor=actor, slug=slug)
            return
        with transaction.atomic():
            turn = take_turn(actor, slug)
            turn.require_role(RoomRole.MODERATOR)
            member = _standing(turn, user_id)
            turn.require_power_over(member)
            _take_out(turn.room, member, MemberChange.REMOVED)

    @staticmethod
    def set_role(*, actor: Actor, slug: str, user_id: UUID, role: RoomRole) -> Membership:
        """Give a member another role in a room; that of an owner, too, who may then be the only one to stay.

        Raises:
            NotFoundError: If the actor sees no such room, or there is no such member.
            ForbiddenError: If he is no owner of it.
            SoleOwnerError: If the room would be left without an owner.
            ClosedAccountError: If the member shall be an owner and his account is closed.
        """
        with transaction.atomic():
            keep_accounts_open()
            turn = take_turn(actor, slug)
            turn.require_role(RoomRole.OWNER)
            member = _standing(turn, user_id)
            if member.role != role:
                turn.require_another_owner(member)
                if role == RoomRole.OWNER:
                    require_open_account(user_id)
                member.role = role
                member.save(update_fields=["role", "updated_at"])
                record(turn.room, member_entry(turn.room, member, MemberChange.ROLE))
        return member

    @staticmethod
    def mute(*, actor: Actor, slug: str, user_id: UUID, until: datetime | None) -> None:
        """Let somebody say nothing in a room until then, also if he leaves and comes back; or, with None, speak again.

        Raises:
            NotFoundError: If the actor sees no such room, or he was never in it.
            ForbiddenError: If the actor neither stands above him nor oversees all rooms.
            InvalidInputError: If the time is over.
        """
        if until is not None and until <= timezone.now():
            raise InvalidInputError([FieldError("until", "past", "This must lie in the future.")])
        with transaction.atomic():
            turn = take_turn(actor, slug)
            if not (turn.moderates or oversees(actor)):
                raise ForbiddenError
            member = turn.place_of(user_id)
            has_power = turn.has_power_over(member)
            if not (has_power or oversees(actor)):
                raise ForbiddenError
            if member.muted_until == until:
                return
            if not has_power:
                _audit_mute(turn, member)
            member.muted_until = until
            member.save(update_fields=["muted_until", "updated_at"])
            record(turn.room, member_entry(turn.room, member, MemberChange.MUTED if until else MemberChange.UNMUTED))

    @staticmethod
    def ban(*, actor: Actor, slug: str, user_id: UUID) -> None:
        """Take somebody out of a room for good, also if he has left it; once more is no error.

        Raises:
            NotFoundError: If the actor sees no such room, or he was never in it.
            ForbiddenError: If the actor does not stand above him.
        """
        with transaction.atomic():
            turn = take_turn(actor, slug)
            turn.require_role(RoomRole.MODERATOR)
            member = turn.place_of(user_id)
            turn.require_power_over(member)
            if member.banned_at is None:
                member.banned_at = timezone.now()
                _take_out(turn.room, member, MemberChange.BANNED)
                _answer_invitation(turn.room, user_id, InvitationState.DECLINED)

    @staticmethod
    def unban(*, actor: Actor, slug: str, user_id: UUID) -> None:
        """Let somebody come back who was banned, as others do; of whoever is not banned nothing changes.

        Raises:
            NotFoundError: If the actor sees no such room, or he was never in it.
            ForbiddenError: If the actor does not moderate it.
        """
        with transaction.atomic():
            turn = take_turn(actor, slug)
            turn.require_role(RoomRole.MODERATOR)
            member = turn.place_of(user_id)
            if member.banned_at is not None:
                member.banned_at = None
                member.save(update_fields=["banned_at", "updated_at"])
                record(turn.room, member_entry(turn.room, member, MemberChange.UNBANNED))

    @staticmethod
    def mark_read(*, actor: Actor, room_id: UUID, seq: int) -> None:
        """Note how far the actor has read; it goes forward only, and not past what there is.

        Raises:
            NotMemberError: If he is not in the room.
        """
        places = Membership.objects.standing().filter(room_id=room_id, user_id=actor.id)
        last_seq = Room.objects.filter(pk=OuterRef("room")).values("last_seq")
        read = Greatest(F("last_read_seq"), Least(seq, Subquery(last_seq)))
        if not places.filter(last_read_seq__lt=seq).update(last_read_seq=read) and not places.exists():
            raise NotMemberError


def admit(room: Room, user_id: UUID, *, role: RoomRole = RoomRole.MEMBER) -> None:
    """Put somebody into a room that is held, who is not in it: he has read all that was before."""
    place, _ = Membership.objects.update_or_create(
        room=room,
        user_id=user_id,
        defaults={"role": role, "left_at": None, "joined_at": timezone.now(), "last_read_seq": room.last_seq + 1},
    )
    record(room, member_entry(room, Membership.objects.named().get(pk=place.pk), MemberChange.JOINED))
    _answer_invitation(room, user_id, InvitationState.ACCEPTED)


def _answer_invitation(room: Room, user_id: UUID, answer: InvitationState) -> None:
    """Let what has become of somebody in a room answer the invitation that he may have."""
    open_one = Invitation.objects.filter(room=room, invitee_id=user_id, state=InvitationState.OPEN)
    open_one.update(state=answer, updated_at=timezone.now())


def _take_out(room: Room, member: Membership, change: MemberChange) -> None:
    member.role = RoomRole.MEMBER
    member.left_at = member.left_at or timezone.now()
    member.save(update_fields=["role", "left_at", "banned_at", "updated_at"])
    record(room, member_entry(room, member, change))


def _standing(turn: Turn, user_id: UUID) -> Membership:
    """Return the place of somebody who is in the room now."""
    member = turn.place_of(user_id)
    if not member.is_standing:
        raise NotFoundError
    return member


def _audit_mute(turn: Turn, member: Membership) -> None:
    AuditService.record(
        action=AuditAction.MEMBER_MUTED,
        account_id=member.user_id,
        actor_id=turn.actor.id,
        room_id=str(turn.room.pk),
    )
