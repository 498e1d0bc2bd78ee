from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.db.models import Count
from django.db.models.functions import Substr
from pytest_django import DjangoAssertNumQueries
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from apps.common.pagination import PageNumberPagination, counted


def page(**parameters: Any) -> dict[str, Any]:
    """Return the page of groups, in the order of their keys, that the query parameters ask for."""
    paginator = PageNumberPagination()
    request = Request(APIRequestFactory().get("/things/", parameters))
    rows = paginator.paginate_queryset(Group.objects.order_by("pk"), request)
    assert rows is not None
    body: dict[str, Any] = paginator.get_paginated_response([row.name for row in rows]).data
    return body


def fill(rows: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO auth_group (name) SELECT 'g' || i FROM generate_series(1, %s) AS i", [rows])


@pytest.mark.django_db
def test_a_page_holds_twenty_rows_and_leads_to_its_neighbours() -> None:
    fill(45)

    first, second, third = page(), page(page=2), page(page=3)

    assert first == {
        "count": 45,
        "next": "http://testserver/things/?page=2",
        "previous": None,
        "results": [f"g{number}" for number in range(1, 21)],
    }
    assert second["previous"] == "http://testserver/things/"
    assert second["next"] == "http://testserver/things/?page=3"
    assert third["results"] == ["g41", "g42", "g43", "g44", "g45"]
    assert third["next"] is None


@pytest.mark.django_db
def test_nothing_to_show_is_an_empty_first_page() -> None:
    assert page() == {"count": 0, "next": None, "previous": None, "results": []}


@pytest.mark.django_db
@pytest.mark.parametrize(("asked", "given"), [(1, 1), (100, 100), (101, 100), (10**17, 100)])
def test_a_page_holds_as_many_rows_as_asked_and_at_most_a_hundred(asked: int, given: int) -> None:
    fill(120)

    assert len(page(page_size=asked)["results"]) == given


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["page", "page_size"])
@pytest.mark.parametrize(
    "value", ["0", "-1", "", "1.0", "1e3", "abc", "last", "null", "+1", " 1", "１", "²", "0x1", "9" * 19, "9" * 5_000]
)
def test_what_is_no_whole_number_above_zero_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        page(**{name: value})

    assert refusal.value.get_codes() == {name: ["invalid"]}


@pytest.mark.django_db
def test_a_page_behind_the_last_one_is_not_there() -> None:
    fill(20)

    with pytest.raises(NotFound):
        page(page=2)


@pytest.mark.django_db
def test_a_count_of_ten_thousand_is_exact() -> None:
    fill(10_000)

    last = page(page=500)

    assert last["count"] == 10_000
    assert "count_exact" not in last
    assert last["results"][-1] == "g10000"
    assert last["next"] is None


@pytest.mark.django_db
def test_beyond_ten_thousand_rows_the_count_says_that_it_stops(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    fill(10_001)

    with django_assert_num_queries(2) as queries:
        last = page(page=100, page_size=100)

    assert (last["count"], last["count_exact"]) == (10_000, False)
    assert last["results"][-1] == "g10000"
    assert last["next"] is None
    assert "LIMIT 10001" in queries.captured_queries[0]["sql"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "parameters", [{"page": 501}, {"page": 101, "page_size": 100}, {"page": 101, "page_size": 5_000}, {"page": 10**17}]
)
def test_a_page_past_row_ten_thousand_is_refused_without_a_query(
    django_assert_num_queries: DjangoAssertNumQueries, parameters: dict[str, int]
) -> None:
    with django_assert_num_queries(0), pytest.raises(ValidationError) as refusal:
        page(**parameters)

    assert refusal.value.get_codes() == {"page": ["invalid"]}
    assert "10000" in str(refusal.value.detail)


def test_the_schema_knows_the_limits_of_a_page() -> None:
    parameters: Any = PageNumberPagination().get_schema_operation_parameters(None)  # type: ignore[arg-type]  # unused
    described = PageNumberPagination().get_paginated_response_schema({"type": "array"})

    limits = {parameter["name"]: parameter["schema"] for parameter in parameters}
    assert limits["page"]["minimum"] == 1
    assert limits["page_size"]["minimum"] == 1
    assert described["required"] == ["count", "next", "previous", "results"]
    assert described["properties"]["count_exact"]["enum"] == [False]


@pytest.mark.django_db
def test_whatever_the_rows_are_made_of_they_are_counted_as_django_would() -> None:
    fill(7)
    groups = Group.objects.order_by("name")
    lists: list[Any] = [
        groups,
        groups.none(),
        groups.filter(name__gt="g3"),
        groups.annotate(users=Count("user")).filter(users=0),
        groups.annotate(letter=Substr("name", 1, 1)).values("letter").annotate(groups=Count("pk")).order_by("letter"),
        groups.filter(name="g1").union(groups.filter(name="g2")),
        groups.filter(user=None).distinct(),
        groups.values_list("name", "pk"),
    ]

    assert [counted(rows) for rows in lists] == [rows.count() for rows in lists] == [7, 0, 4, 7, 1, 2, 7, 7]
