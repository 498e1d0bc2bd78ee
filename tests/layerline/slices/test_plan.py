import pytest

from layerline.slices import names, plan
from layerline.slices.errors import SliceError


def _refusal(*arguments: str, without: tuple[str, ...] = ()) -> str:
    with pytest.raises(SliceError) as caught:
        plan.parse(arguments[0], arguments[1:], without)
    return str(caught.value)


@pytest.mark.parametrize(
    ("one", "several"),
    [
        ("invoice", "invoices"),
        ("category", "categories"),
        ("day", "days"),
        ("box", "boxes"),
        ("address", "addresses"),
        ("branch", "branches"),
        ("order_line", "order_lines"),
        ("pony", "ponies"),
    ],
)
def test_words_have_a_singular_and_a_plural(one: str, several: str) -> None:
    assert (names.plural(one), names.singular(several), names.singular(one)) == (several, one, one)


@pytest.mark.parametrize("word", ["news", "status", "address", "bus", "series", "species"])
def test_a_word_that_only_looks_like_several_is_one(word: str) -> None:
    assert names.singular(word) == word


@pytest.mark.parametrize(
    ("name", "model"), [("billing", "Billing"), ("projects", "Project"), ("rsvp_lists", "RsvpList")]
)
def test_without_a_model_there_is_one_named_after_the_slice(name: str, model: str) -> None:
    slice_ = plan.parse(name)

    assert (slice_.model, [(field.name, field.annotation) for field in slice_.fields]) == (model, [("name", "str")])


def test_a_model_has_one_form_for_each_place() -> None:
    slice_ = plan.parse("sales", ["OrderLine", "name:str"])

    assert (slice_.one, slice_.plural, slice_.address, slice_.route) == (
        "order_line",
        "order_lines",
        "order-lines",
        "order-line",
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Billing", "write lower-case words"),
        ("2nd", "write lower-case words"),
        ("bill-ing", "write lower-case words"),
        ("../etc", "write lower-case words"),
        ("", "write lower-case words"),
        ("class", "a word of Python's language"),
        ("list", "a name of Python's own"),
        ("calendar", "a name of Python's own"),
        ("celery", "a package that is installed here"),
        ("apps", "a package that is installed here"),
        ("b" * 31, "longer than 30 characters"),
    ],
)
def test_a_slice_cannot_have_every_name(name: str, reason: str) -> None:
    assert reason in _refusal(name)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("invoice", "write capitalised words"),
        ("Order_Line", "write capitalised words"),
        ("Invoices", "Invoice, not Invoices"),
        ("Categories", "Category, not Categories"),
        ("HTTPServer", "write capitalised words"),
        ("Größe", "write capitalised words"),
        ("User", "another of its own name"),
        ("Class", "a word of Python's language"),
        ("None", "a word of Python's language"),
        ("Testimonial", "pytest would take it for tests"),
    ],
)
def test_a_model_cannot_have_every_name(model: str, reason: str) -> None:
    assert reason in _refusal("billing", model, "name:str")


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("name", "there is no type ''"),
        ("name:varchar", "there is no type 'varchar'"),
        ("Name:str", "write lower-case words"),
        ("a__b:str", "write lower-case words"),
        ("_a:str", "write lower-case words"),
        ("a-b:str", "write lower-case words"),
        ("größe:int", "write lower-case words"),
        ("ﬁeld:str", "write lower-case words"),
        ("2nd:str", "write lower-case words"),
        ("class:str", "a word of Python's language"),
        ("password:str", "a secret in clear text"),
        ("name:str:0", "a number from 1 to 1000"),
        ("name:str:1001", "a number from 1 to 1000"),
        ("name:int:5", "takes nothing after it"),
        ("kind:choice", "is no name for a choice"),
        ("kind:choice:a", "at least two different choices"),
        ("kind:choice:a|a", "at least two different choices"),
        ("kind:choice:a|B", "is no name for a choice"),
        ("customer:ref", "name the slice and its model"),
        ("customer_id:ref:users.User", "leave out the _id"),
    ],
)
def test_a_field_must_be_one(field: str, reason: str) -> None:
    assert reason in _refusal("billing", "Invoice", field)


@pytest.mark.parametrize(
    "fields",
    [
        ["name:str", "name:int"],
        ["customer:ref:users.User", "customer_id:int"],
        ["due:date", "due_after:bool"],
        ["invoice:str"],
    ],
)
def test_no_two_things_of_a_model_have_one_name(fields: list[str]) -> None:
    assert "Two things of Invoice would be called" in _refusal("billing", "Invoice", *fields)


def test_no_model_is_called_like_what_every_frame_has() -> None:
    assert plan.parse("library", ["Ref", "title:str"]).one == "ref"
    with pytest.raises(SliceError, match="Two things of Ref would be called ref"):
        plan.parse("library", ["Ref", "title:str"], socket=True)


def test_a_model_has_a_field() -> None:
    assert "Invoice has no fields" in _refusal("billing", "Invoice")


def test_only_parts_that_there_are_can_be_left_out() -> None:
    assert "--without knows api, admin, task, and not models" in _refusal("billing", without=("models",))
    assert not plan.parse("billing", without=["admin"]).admin


def test_an_optional_field_may_be_left_out() -> None:
    (field,) = plan.parse("billing", ["Invoice", "due:date?"]).fields

    assert (field.optional, field.annotation, field.column) == (
        True,
        "date | None",
        "models.DateField(null=True, blank=True)",
    )
