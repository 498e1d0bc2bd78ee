import re

import pytest

from layerline.slices import plan, vocabulary
from layerline.slices.errors import SliceError


def _refusal(*arguments: str, name: str = "billing") -> str:
    with pytest.raises(SliceError) as caught:
        vocabulary.check(plan.parse(name, arguments, socket=True))
    return str(caught.value)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("Request", "Request"),
        ("Client", "Client"),
        ("Job", "job"),
        ("Field", "field"),
        ("Factory", "factory"),
        ("Decimal", "Decimal"),
        # What the files would call the classes around them.
        ("Base", "BaseConsumer"),
        ("Service", "ServiceAdmin"),
        ("Strict", "StrictSerializer"),
        ("Admin", "AdminFactory"),
        ("DjangoModel", "DjangoModelFactory"),
    ],
)
def test_a_model_is_not_called_like_something_else_in_its_files(model: str, name: str) -> None:
    assert re.search(rf"the files of a slice use .*\b{name}\b.* for something else", _refusal(model, "title:str"))


@pytest.mark.parametrize("model", ["List", "Filter", "Exception", "License", "Hash"])
def test_a_model_is_not_called_like_what_python_has(model: str) -> None:
    assert "is a name of Python's own" in _refusal(model, "title:str")


def test_a_frame_does_not_call_a_row_like_what_a_serializer_has() -> None:
    vocabulary.check(plan.parse("library", ["Label", "title:str"]))
    assert "use label for something else" in _refusal("Label", "title:str")


def test_a_slice_is_not_called_like_something_else_in_its_files() -> None:
    assert "use AppConfig for something else" in _refusal("Invoice", "title:str", name="app")


@pytest.mark.parametrize(
    "field",
    [
        # Of Django's models.
        *("id:int", "pk:int", "owner:ref:users.User", "objects:json", "save:bool", "delete:bool", "created_at:date"),
        *("clean:bool", "check:bool", "full_clean:bool", "refresh_from_db:bool"),
        # Of serializers and factories.
        *("data:json", "instance:str", "errors:json", "validate:bool", "build:int", "create:bool"),
        # Of lists.
        *("page:int", "page_size:int", "ordering:str", "search:str", "format:str"),
        # Imported where fields stand.
        *("date:date", "datetime:datetime", "models:int", "serializers:int", "settings:json"),
        *("hash:str", "list:json", "actor:str"),
        # Makes a parameter that every list has.
        "created:date",
    ],
)
def test_a_field_hides_nothing(field: str) -> None:
    name = field.partition(":")[0]

    assert f"A field cannot be called {name!r}" in _refusal("Invoice", field)


@pytest.mark.parametrize(
    ("model", "field", "enum"), [("Text", "choices", "TextChoices"), ("Invoice", "service", "InvoiceService")]
)
def test_choices_are_not_called_like_something_else(model: str, field: str, enum: str) -> None:
    assert f"would be called {enum}" in _refusal(model, f"{field}:choice:a|b")


@pytest.mark.parametrize("model", ["Message", "Line", "Match", "Case", "Listing", "Model", "Sentinel"])
@pytest.mark.parametrize(
    "fields", [["name:str", "value:int"], ["code:str", "role:choice:a|b"], ["user:ref:users.User", "with_tax:bool"]]
)
def test_other_names_are_free(model: str, fields: list[str]) -> None:
    vocabulary.check(plan.parse("billing", [model, *fields], socket=True))
