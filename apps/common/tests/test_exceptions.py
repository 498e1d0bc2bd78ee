import pytest

from apps.common.exceptions import ConflictError, InvalidInputError, NotFoundError, blaming


def test_what_is_not_found_is_blamed_on_the_field_that_led_there() -> None:
    with pytest.raises(InvalidInputError) as caught, blaming("customer_id"):
        raise NotFoundError

    assert [(error.field, error.code) for error in caught.value.errors] == [("customer_id", "does_not_exist")]


def test_nothing_else_is_blamed_on_it() -> None:
    with pytest.raises(ConflictError), blaming("customer_id"):
        raise ConflictError
