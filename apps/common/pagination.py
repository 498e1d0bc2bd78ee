from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, cast

from django.core.exceptions import EmptyResultSet
from django.core.paginator import Page, Paginator
from django.db import connections
from django.db.models import QuerySet
from rest_framework import pagination
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

if TYPE_CHECKING:
    from rest_framework.views import APIView

COUNTED_ROWS: Final = 10_000


def counted(rows: QuerySet[Any, Any]) -> int:
    """Return how many rows there are, or COUNTED_ROWS + 1 if there are more: a count of everything grows with them.

    A queryset may know a quicker way of its own, `count_up_to`.
    """
    own_way: Callable[[int], int] | None = getattr(rows, "count_up_to", None)
    if own_way:
        return own_way(COUNTED_ROWS + 1)
    if isinstance(rows.query.group_by, tuple) or rows.query.combinator:
        # Rows that are no rows of a table have no key.
        return rows[: COUNTED_ROWS + 1].count()
    query = rows.order_by().values_list("pk")[: COUNTED_ROWS + 1].query
    try:
        statement, values = query.get_compiler(rows.db).as_sql()
    except EmptyResultSet:
        return 0
    # Django would write the same, and take three times as long to come to it.
    with connections[rows.db].cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM ({statement}) AS counted", values)  # noqa: S608  # values are not in it
        return cast("int", cursor.fetchone()[0])


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # not subscriptable at run time
    """Counts no further than the last row that a page may show."""

    @cached_property
    def counted(self) -> int:
        return counted(cast("QuerySet[Any]", self.object_list))

    @cached_property
    def count(self) -> int:
        return min(self.counted, COUNTED_ROWS)


class PageNumberPagination(pagination.PageNumberPagination):
    """`?page=2&page_size=50`: 20 rows a page, at most 100, and none past row 10,000."""

    page_size = 20
    page_size_query_param = "page_size"
    max_page_size = 100
    django_paginator_class = CappedPaginator

    def paginate_queryset(
        self, queryset: QuerySet[Any] | Sequence[Any], request: Request, view: "APIView | None" = None
    ) -> list[Any] | None:
        """Return the rows of the page that the request asks for.

        Raises:
            ValidationError: If `page` or `page_size` is no whole number above 0, or the page lies past row 10,000.
            NotFound: If the page lies past the last one.
        """
        page = _whole_number(request, "page", default=1)
        size = _whole_number(request, "page_size", default=self.page_size)
        if (page - 1) * min(size, self.max_page_size) >= COUNTED_ROWS:
            raise _invalid("page", f"Pages end at row {COUNTED_ROWS}. Narrow the list with a filter.")
        return super().paginate_queryset(queryset, request, view)

    def get_paginated_response(self, data: Any) -> Response:
        paginator = cast("Page[Any]", self.page).paginator
        body = {
            "count": paginator.count,
            "next": self.get_next_link(),
            "previous": self.get_previous_link(),
            "results": data,
        }
        if cast("CappedPaginator", paginator).counted > COUNTED_ROWS:
            body["count_exact"] = False
        return Response(body)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        described = super().get_paginated_response_schema(schema)
        described["required"] = ["count", "next", "previous", "results"]
        described["properties"]["count_exact"] = {
            "type": "boolean",
            "enum": [False],
            "example": False,
            "description": f"Present and false where there are more than {COUNTED_ROWS} rows.",
        }
        return described

    def get_schema_operation_parameters(self, view: "APIView") -> list[dict[str, Any]]:
        parameters = super().get_schema_operation_parameters(view)
        for parameter in parameters:
            parameter["schema"]["minimum"] = 1
            if parameter["name"] == self.page_query_param:
                parameter["schema"]["maximum"] = COUNTED_ROWS
                parameter["description"] = f"A page further than row {COUNTED_ROWS} is refused."
            else:
                parameter["description"] = f"Rows a page; more than {self.max_page_size} are as {self.max_page_size}."
        return parameters


def _whole_number(request: Request, name: str, *, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < len(str(2**63)) and int(text) > 0):
        raise _invalid(name, "This must be a whole number above 0.")
    return int(text)


def _invalid(field: str, detail: str) -> ValidationError:
    return ValidationError({field: [ErrorDetail(detail, code="invalid")]})
