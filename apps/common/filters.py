from datetime import UTC, datetime
from typing import Any, ClassVar, cast

import django_filters
from django.core.exceptions import ValidationError
from django.db.models import F, QuerySet
from django.db.models.expressions import OrderBy
from django.db.models.functions import Greatest
from django.forms import Form
from django_filters.fields import IsoDateTimeField
from django_filters.filters import QuerySetRequestMixin
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field

from apps.common.pagination import COUNTED_ROWS, counted


class StableOrderingFilter(django_filters.OrderingFilter):
    """`?ordering=name,-created_at`; ties are broken by key, so that no row stands on two pages."""

    def filter(self, queryset: QuerySet[Any], value: list[str] | None) -> QuerySet[Any]:
        ordered: QuerySet[Any] = super().filter(queryset, value)
        return ordered.order_by(*ordered.query.order_by, "pk") if value else ordered


class SearchFilterSet(django_filters.FilterSet):
    """A filter set whose `search` is a prefix search in an index.

    PostgreSQL takes every prefix for one that a fiftieth of the rows have, and prefers to walk the table in the order
    asked for until a page is full; with a rare word it walks to the end. So where few rows match, they are found
    first and sorted then.
    """

    # What may leave few rows of many; each is a filter of the set.
    narrow = ("search",)
    made_form_class: ClassVar[type[Form]]

    def get_form_class(self) -> type[Form]:
        # The same for all requests, unless one of the filters looks at them; django-filter makes it anew for each.
        if any(isinstance(one, QuerySetRequestMixin) for one in self.filters.values()):
            return cast("type[Form]", super().get_form_class())
        kind = type(self)
        if "made_form_class" not in vars(kind):
            kind.made_form_class = super().get_form_class()
        return kind.made_form_class

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        found: QuerySet[Any] = super().filter_queryset(queryset)
        if not any(self.form.cleaned_data[name] for name in self.narrow) or counted(found) > COUNTED_ROWS:
            return found
        return found.order_by(*map(_out_of_index, cast("list[str]", found.query.order_by)))


def _out_of_index(name: str) -> OrderBy:
    """Return the order by a column in a form that no index has: the greater of its value and its value."""
    column = name.removeprefix("-")
    value = Greatest(F(column), F(column))
    return value.desc() if name.startswith("-") else value.asc()


@extend_schema_field(OpenApiTypes.BOOL)
class StrictBooleanFilter(django_filters.TypedChoiceFilter):
    """`true` or `false`; anything else is a 400, where django-filter's own would pass over it."""

    def __init__(self, **kwargs: Any) -> None:
        choices = [("true", "true"), ("false", "false")]
        super().__init__(choices=choices, coerce=lambda text: text == "true", **kwargs)


class _MomentField(IsoDateTimeField):
    """A moment in UTC: PostgreSQL refuses offsets that ISO 8601 and Python allow."""

    def to_python(self, value: Any) -> datetime | None:
        moment: datetime | None = super().to_python(value)
        try:
            return moment and moment.astimezone(UTC)
        except OverflowError:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from None


class MomentFilter(django_filters.IsoDateTimeFilter):
    """A moment such as `2026-01-01T12:00:00+01:00`; what lies outside of the calendar is a 400."""

    field_class = _MomentField
