from typing import Final

import django_filters
from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema_field

from apps.chat.enums import RoomRole, Visibility
from apps.chat.managers import RoomQuerySet
from apps.chat.models import Membership, Room
from apps.chat.selectors import RoomSelector
from apps.common.filters import SearchFilterSet, StableOrderingFilter, StrictBooleanFilter
from apps.common.requests import actor

SEARCH_LENGTH: Final = 100


class RoomFilter(SearchFilterSet):
    """`?search=lamp&mine=true&visibility=public&closed=false&ordering=-created_at`."""

    search = django_filters.CharFilter(method="filter_search", max_length=SEARCH_LENGTH)
    mine = StrictBooleanFilter(method="filter_mine")
    visibility = django_filters.ChoiceFilter(choices=Visibility.choices, method="filter_visibility")
    closed = StrictBooleanFilter(method="filter_closed")
    ordering = StableOrderingFilter(fields=["created_at", "name"])

    class Meta:
        model = Room
        fields: list[str] = []

    @extend_schema_field(
        {
            "type": "string",
            "maxLength": SEARCH_LENGTH,
            "pattern": r"^[^\u0000]*$",
            "description": "Beginnings of words of the name or the slug.",
        }
    )
    def filter_search(self, queryset: RoomQuerySet, name: str, value: str) -> QuerySet[Room]:
        return queryset.search(value)

    def filter_mine(self, queryset: RoomQuerySet, name: str, value: bool) -> QuerySet[Room]:  # noqa: FBT001  # django-filter's signature
        if value:
            return RoomSelector.own_listing(listing=queryset, user_id=actor(self.request).id)
        # Others' private ones are not in the list.
        return queryset.filter(Q(my_role=None), visibility=Visibility.PUBLIC)

    def filter_visibility(self, queryset: RoomQuerySet, name: str, value: str) -> QuerySet[Room]:
        found = queryset.filter(visibility=value)
        if value == Visibility.PUBLIC:
            return found
        # Only the own ones are in the list, and are found by an index.
        return RoomSelector.own_listing(listing=found, user_id=actor(self.request).id)

    def filter_closed(self, queryset: RoomQuerySet, name: str, value: bool) -> QuerySet[Room]:  # noqa: FBT001  # as above
        return queryset.filter(closed_at__isnull=not value)


class MemberFilter(django_filters.FilterSet):
    """`?role=moderator`."""

    role = django_filters.ChoiceFilter(choices=RoomRole.choices)

    class Meta:
        model = Membership
        fields: list[str] = []
