from typing import Final

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field

from apps.common.enums import Role
from apps.common.filters import MomentFilter, SearchFilterSet, StableOrderingFilter, StrictBooleanFilter
from apps.users.managers import UserQuerySet
from apps.users.models import User

SEARCH_LENGTH: Final = 100


class UserFilter(SearchFilterSet):
    """`?search=ada&role=user&is_active=true&created_after=2026-01-01T00:00:00Z&ordering=-created_at`."""

    search = django_filters.CharFilter(method="filter_search", max_length=SEARCH_LENGTH)
    role = django_filters.ChoiceFilter(choices=Role.choices)
    is_active = StrictBooleanFilter()
    created_after = MomentFilter(field_name="created_at", lookup_expr="gt")
    ordering = StableOrderingFilter(fields=["created_at", "name", "email"])

    class Meta:
        model = User
        fields: list[str] = []

    @extend_schema_field(
        {
            "type": "string",
            "maxLength": SEARCH_LENGTH,
            "pattern": r"^[^\u0000]*$",
            "description": "Beginnings of words of the name or the address.",
        }
    )
    def filter_search(self, queryset: UserQuerySet, name: str, value: str) -> QuerySet[User]:
        return queryset.search(value)
