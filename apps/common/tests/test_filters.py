from datetime import UTC, datetime
from typing import Any

import django_filters
import pytest
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session

from apps.common.filters import MomentFilter, SearchFilterSet, StableOrderingFilter, StrictBooleanFilter


class SessionFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    before = MomentFilter(field_name="expire_date", lookup_expr="lt")


class GroupFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    ordering = StableOrderingFilter(fields=["name"])
    unnamed = StrictBooleanFilter(field_name="name", lookup_expr="isnull")


def errors(data: dict[str, Any]) -> dict[str, list[str]]:
    filtered = GroupFilter(data, queryset=Group.objects.all())
    return {name: [error.code for error in found] for name, found in filtered.errors.as_data().items()}


def sql(data: dict[str, Any]) -> str:
    return str(GroupFilter(data, queryset=Group.objects.all()).qs.query)


@pytest.mark.parametrize(
    ("ordering", "clause"),
    [
        ("name", 'ORDER BY "auth_group"."name" ASC, "auth_group"."id" ASC'),
        ("-name", 'ORDER BY "auth_group"."name" DESC, "auth_group"."id" ASC'),
    ],
)
def test_ties_of_an_order_are_broken_by_the_key(ordering: str, clause: str) -> None:
    assert sql({"ordering": ordering}).endswith(clause)


@pytest.mark.parametrize("data", [{}, {"ordering": ""}])
def test_without_an_order_the_lists_own_stays(data: dict[str, str]) -> None:
    assert GroupFilter(data, queryset=Group.objects.order_by("-pk")).qs.query.order_by == ("-pk",)


@pytest.mark.parametrize(
    "ordering", ["id", "permissions__codename", "name,id", "--name", "?", "name;", "name\x00", "NAME"]
)
def test_an_order_by_a_field_that_is_not_declared_is_refused(ordering: str) -> None:
    assert list(errors({"ordering": ordering})) == ["ordering"]


@pytest.mark.parametrize(("word", "clause"), [("true", "IS NULL"), ("false", "IS NOT NULL")])
def test_true_and_false_are_understood(word: str, clause: str) -> None:
    assert sql({"unnamed": word}).endswith(clause)


@pytest.mark.parametrize("word", ["True", "1", "yes", "0", "null", "maybe", "true,false", "\x00"])
def test_any_other_word_is_refused(word: str) -> None:
    assert errors({"unnamed": word}) == {"unnamed": ["invalid_choice"]}


def test_a_word_left_out_filters_nothing() -> None:
    assert "WHERE" not in sql({"unnamed": ""})


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("moment", "found"),
    [
        ("2026-01-01T12:00:00Z", 0),
        ("2026-01-01T12:00:00.000001Z", 1),
        ("2026-01-01T13:00:00+01:00", 0),
        ("2026-01-01T13:00:01+01:00", 1),
        ("2026-01-01T12:00:01+23:59", 0),
        ("2026-01-03", 1),
        ("9999-12-31T23:59:59Z", 1),
        ("0001-01-01T00:00:00Z", 0),
    ],
)
def test_a_moment_is_compared_in_utc(moment: str, found: int) -> None:
    Session.objects.create(session_key="k", expire_date=datetime(2026, 1, 1, 12, tzinfo=UTC))

    assert SessionFilter({"before": moment}, queryset=Session.objects.all()).qs.count() == found


@pytest.mark.parametrize(
    "moment",
    [
        "yesterday",
        "2026-02-30",
        "2026-01-01T25:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "0",
        "\x00",
    ],
)
def test_what_is_no_moment_of_the_calendar_is_refused(moment: str) -> None:
    assert list(SessionFilter({"before": moment}, queryset=Session.objects.all()).errors) == ["before"]


class NameFilter(SearchFilterSet):
    search = django_filters.CharFilter(field_name="name")


class NarrowerFilter(NameFilter):
    name = django_filters.CharFilter()


class OwnGroupsFilter(SearchFilterSet):
    search = django_filters.CharFilter(field_name="name")
    group = django_filters.ModelChoiceFilter(queryset=lambda request: Group.objects.filter(name=request))


def form_of(kind: Any, request: Any = None) -> type:
    return type(kind({}, queryset=Group.objects.all(), request=request).form)


def test_a_form_is_made_once_for_a_class_and_not_for_those_derived_from_it() -> None:
    assert form_of(NameFilter) is form_of(NameFilter)
    assert list(form_of(NarrowerFilter).base_fields) == ["search", "name"]  # type: ignore[attr-defined]  # a form's
    assert list(form_of(NameFilter).base_fields) == ["search"]  # type: ignore[attr-defined]  # a form's


def test_what_one_request_may_choose_from_is_not_kept_for_the_next() -> None:
    assert form_of(OwnGroupsFilter, "a") is not form_of(OwnGroupsFilter, "b")
