import re
import unicodedata
from collections.abc import Collection
from typing import TYPE_CHECKING, Final, Self
from uuid import UUID

from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db import models
from django.db.models import BooleanField, Case, ExpressionWrapper, F, FilteredRelation, Func, Q, Value, When
from django.db.models.expressions import RawSQL

if TYPE_CHECKING:
    from apps.chat.models import Membership, Room  # noqa: F401  # named as text, where ruff sees no name

# The slug is taken apart, or only its very beginning would be a word. Index and query must name one expression.
SEARCH_VECTOR: Final = SearchVector(
    "name",
    Func(F("slug"), Value("-_"), Value("  "), function="translate", output_field=models.TextField()),
    config="simple",
)


class RoomQuerySet(models.QuerySet["Room"]):
    def living(self) -> Self:
        """Leave out what was deleted: such a row only keeps its slug."""
        return self.filter(deleted_at=None)

    def search(self, text: str) -> Self:
        """Keep rows where each word of the text begins a word of the name or the slug."""
        words = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text))
        if not words:
            return self.none()
        query = SearchQuery(" & ".join(f"{word}:*" for word in words), config="simple", search_type="raw")
        return self.alias(words=SEARCH_VECTOR).filter(words=query)

    def seen_by(self, user_id: UUID) -> Self:
        """Bring each room's place of a user: `my_role`, None for whoever is not in it, and `am_banned`."""
        mine = FilteredRelation("memberships", condition=Q(memberships__user=user_id))
        is_standing = Q(mine__left_at=None, mine__banned_at=None)
        return self.annotate(
            mine=mine,
            my_role=Case(When(is_standing, then=F("mine__role"))),
            am_banned=ExpressionWrapper(Q(mine__banned_at__isnull=False), output_field=BooleanField()),
        )


class RoomManager(models.Manager["Room"]):
    def get_queryset(self) -> RoomQuerySet:
        return RoomQuerySet(self.model, using=self._db)

    def living(self) -> RoomQuerySet:
        return self.get_queryset().living()


class MembershipQuerySet(models.QuerySet["Membership"]):
    def standing(self) -> Self:
        """Keep those who are in the room now."""
        return self.filter(left_at=None, banned_at=None)

    def at(self, places: Collection[tuple[UUID, UUID]]) -> Self:
        """Keep those of some places, each of a room and a user."""
        rooms, users = map(list, zip(*places, strict=True)) if places else ([], [])
        are_named = "(memberships.room_id, memberships.user_id) IN (SELECT * FROM unnest(%s::uuid[], %s::uuid[]))"
        return self.filter(RawSQL(are_named, [rooms, users], output_field=BooleanField()))  # noqa: S611  # a constant

    def named(self) -> Self:
        """Bring what others see of the user, and nothing else of the account."""
        own = [field.name for field in self.model._meta.concrete_fields]  # noqa: SLF001  # Django's documented name
        return self.select_related("user").only(*own, "user__name", "user__avatar")


class MembershipManager(models.Manager["Membership"]):
    def get_queryset(self) -> MembershipQuerySet:
        return MembershipQuerySet(self.model, using=self._db)

    def standing(self) -> MembershipQuerySet:
        return self.get_queryset().standing()

    def named(self) -> MembershipQuerySet:
        return self.get_queryset().named()
