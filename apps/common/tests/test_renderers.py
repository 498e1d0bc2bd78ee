import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.utils.functional import lazystr
from hypothesis import given, strategies as st
from rest_framework import renderers
from rest_framework.exceptions import ErrorDetail

from apps.common.renderers import JSONRenderer

_ODD: list[Any] = [
    None,
    {},
    {"text": 'Müller \u2028 \u2029 \U0001f9ed \\ " / <b>'},
    {"id": UUID("01890000-0000-7000-8000-000000000001")},
    {"at": datetime(2030, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC), "on": date(2030, 1, 2), "for": timedelta(minutes=2)},
    {"price": Decimal("2.50")},
    {"detail": ErrorDetail("Not this.", code="invalid"), "later": lazystr("soon")},
    {1: "one", None: "nothing"},
    {"huge": 2**70},
    [(1, 2), {"deep": [{"deeper": True}]}],
]


@pytest.mark.parametrize("data", _ODD)
def test_what_it_writes_is_what_drf_would_write(data: Any) -> None:
    assert JSONRenderer().render(data) == renderers.JSONRenderer().render(data)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    )
)
def test_whatever_it_writes_is_read_as_what_drf_would_write(data: Any) -> None:
    assert json.loads(JSONRenderer().render(data) or b"null") == json.loads(
        renderers.JSONRenderer().render(data) or b"null"
    )


def test_a_person_may_ask_for_indented_json() -> None:
    assert JSONRenderer().render({"a": 1}, "application/json; indent=2") == b'{\n  "a": 1\n}'


@pytest.mark.parametrize("data", [{"text": "\ud800"}, {"it": object()}])
def test_what_is_no_json_is_an_error_as_it_is_with_drf(data: Any) -> None:
    with pytest.raises((TypeError, UnicodeEncodeError)):
        renderers.JSONRenderer().render(data)
    with pytest.raises((TypeError, UnicodeEncodeError)):
        JSONRenderer().render(data)
