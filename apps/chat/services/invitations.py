from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from uuid6 import uuid7

from apps.chat.enums import InvitationState, RoomRole
from apps.chat.exceptions import BannedError, InvitationAnsweredError
from apps.chat.models import Invitation, Membership, Room
from apps.chat.selectors import RoomSelector
from apps.chat.services.closures import keep_accounts_open, require_open_account
from apps.chat.services.members import admit
from apps.chat.services.turns import hold_room
from apps.common.exceptions import NotFoundError
from apps.common.types import Actor
from apps.users.selectors import UserSelector
from infrastructure.queue import outbox

# How long one is kept that was answered, or led nowhere.
KEPT_FOR: Final = timedelta(days=30)
PURGE_BATCH: Final = 1_000


class InvitationService:
    @staticmethod
    def invite(*, actor: Actor, slug: str, email: str) -> None:
        """Invite whoever has an address into a room that the actor moderates.

        Nothing tells whether anybody has it, or is in the room already, or banned: the statements are the same ones,
        and a row is written whichever way.

        Raises:
            NotFoundError: If the actor sees no such room.
            ForbiddenError: If he does not moderate it.
        """
        access = RoomSelector.access(actor=actor, slug=slug, least=RoomRole.MODERATOR)
        user_id = UserSelector.id_by_email(email=email)
        places = Membership.objects.filter(room_id=access.room_id, user_id=user_id or uuid7())
        is_there = any(place.is_standing or place.banned_at for place in places)
        Invitation.objects.bulk_create(
            [Invitation(room_id=access.room_id, inviter_id=actor.id, invitee_id=None if is_there else user_id)],
            update_conflicts=True,
            unique_fields=["room", "invitee"],
            update_fields=["inviter", "state", "created_at", "updated_at"],
        )

    @staticmethod
    def accept(*, actor: Actor, invitation_id: UUID) -> Room:
        """Make the actor a member of the room that he is invited to; once more is no error.

        Raises:
            NotFoundError: If he has no such invitation, or the room is gone.
            BannedError: If he was banned from the room meanwhile.
            InvitationAnsweredError: If he declined it, or has left the room since he accepted it.
            ClosedAccountError: If his account was closed meanwhile.
        """
        mine = Invitation.objects.filter(pk=invitation_id, invitee_id=actor.id)
        with transaction.atomic():
            keep_accounts_open()
            require_open_account(actor.id)
            room = hold_room(pk__in=mine.values("room_id"))
            invitation = mine.select_for_update().first()
            if invitation is None:
                raise NotFoundError
            place = Membership.objects.filter(room=room, user_id=actor.id).first()
            if place and place.banned_at:
                raise BannedError
            if not (place and place.is_standing):
                if invitation.state != InvitationState.OPEN:
                    raise InvitationAnsweredError
                admit(room, actor.id)
        return RoomSelector.by_slug(actor=actor, slug=room.slug)

    @staticmethod
    def decline(*, actor: Actor, invitation_id: UUID) -> None:
        """Turn an invitation down; once more is no error.

        Raises:
            NotFoundError: If the actor has no such invitation.
            InvitationAnsweredError: If he accepted it.
        """
        mine = Invitation.objects.filter(pk=invitation_id, invitee_id=actor.id)
        if mine.filter(state=InvitationState.OPEN).update(state=InvitationState.DECLINED, updated_at=timezone.now()):
            return
        state = mine.values_list("state", flat=True).first()
        if state is None:
            raise NotFoundError
        if state == InvitationState.ACCEPTED:
            raise InvitationAnsweredError

    @staticmethod
    def purge() -> int:
        """Delete a batch of those that are over for long, leave the next to a job, and return how many went."""
        is_over = ~Q(state=InvitationState.OPEN) | Q(invitee=None)
        over = Invitation.objects.filter(is_over, updated_at__lte=timezone.now() - KEPT_FOR).order_by("updated_at")
        with transaction.atomic():
            keys = list(over.values_list("pk", flat=True)[:PURGE_BATCH])
            if len(keys) == PURGE_BATCH:
                outbox.enqueue("chat.clean_invitations", {})
            return Invitation.objects.filter(pk__in=keys).delete()[0]
