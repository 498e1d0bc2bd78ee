from typing import Any, ClassVar

import pytest
from cryptography.fernet import Fernet
from django import forms
from django.core.exceptions import FieldError, ValidationError
from django.db import connection, models, transaction
from django.db.migrations.writer import MigrationWriter
from django.db.models import Case, Exists, F, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Cast, Coalesce, Concat, Upper
from django.test.utils import isolate_apps
from pytest_django import Settings

from apps.common.fields import Ciphertext, EncryptedCharField
from infrastructure.crypto import DecryptionError

PHONE = "+49 30 901820"

with isolate_apps("apps.common"):

    class Contact(models.Model):
        name = models.CharField(max_length=50, default="")
        phone = EncryptedCharField(max_length=20, null=True, blank=True)
        fax = EncryptedCharField(max_length=20, default="", blank=True)

        objects: ClassVar[models.Manager["Contact"]] = models.Manager()

        class Meta:
            app_label = "common"

        def __str__(self) -> str:
            return self.name


pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _table(db: None) -> None:
    # It goes with the transaction of the test.
    with connection.schema_editor() as editor:
        editor.create_model(Contact)


def stored(contact_id: int | None = None, column: str = "phone") -> Any:
    """Return the bare column, as a dump of the database would show it."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM common_contact WHERE id = COALESCE(%s, id)", [contact_id])
        (value,) = cursor.fetchone()
        return value


def store(value: str, column: str = "phone") -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE common_contact SET {column} = %s", [value])


def is_encrypted(contact_id: int, plaintext: str = PHONE) -> bool:
    return stored(contact_id) != plaintext and field().decrypt(stored(contact_id)) == plaintext


def field(name: str = "phone") -> EncryptedCharField:
    found = Contact._meta.get_field(name)
    assert isinstance(found, EncryptedCharField)
    return found


def make(phone: str | None = PHONE, **others: Any) -> Contact:
    return Contact.objects.create(phone=phone, **others)


def test_a_saved_value_is_encrypted_in_the_table_and_readable_in_python() -> None:
    contact = make()

    assert is_encrypted(contact.pk)
    assert "901820" not in stored()
    assert Contact.objects.get().phone == PHONE
    contact.refresh_from_db()
    assert contact.phone == PHONE


def test_the_same_value_in_two_rows_gives_two_ciphertexts() -> None:
    assert stored(make().pk) != stored(make().pk)


@pytest.mark.parametrize("value", [None, ""])
def test_an_absent_value_stays_as_it_is(value: str | None) -> None:
    make(value)

    assert stored() == value
    assert Contact.objects.get().phone == value


@pytest.mark.parametrize("text", ["x", "x" * 20, "ü🎈", " spaces ", "gAAAAABlYWFhYWFhYWFh", "None", "null"])
def test_any_text_comes_back_as_it_was(text: str) -> None:
    contact = make(text)

    assert is_encrypted(contact.pk, text)
    assert Contact.objects.get().phone == text


def test_saving_again_does_not_encrypt_twice() -> None:
    make()
    for _ in range(3):
        Contact.objects.get().save()

    assert field().decrypt(stored()) == PHONE


def test_a_ciphertext_given_as_a_value_is_encrypted_like_any_other_text(monkeypatch: pytest.MonkeyPatch) -> None:
    ciphertext = field().encrypt("1")
    monkeypatch.setattr(field(), "max_length", 200)

    make(ciphertext)

    assert stored() != ciphertext
    assert Contact.objects.get().phone == ciphertext


@pytest.mark.parametrize("keep", [True, False])
def test_a_wrong_key_raises_and_changes_nothing(settings: Settings, keep: bool) -> None:  # noqa: FBT001  # a case
    make()
    before = stored()
    old = settings.FIELD_ENCRYPTION_KEYS
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *(old if keep else [])]

    if keep:
        assert Contact.objects.get().phone == PHONE
    else:
        with pytest.raises(DecryptionError, match=r"common_contact\.phone"):
            Contact.objects.get()
        with pytest.raises(DecryptionError):
            list(Contact.objects.values_list("phone", flat=True))
    assert stored() == before


@pytest.mark.parametrize("value", [PHONE, "gAAAAA", "x"])
def test_a_value_that_was_never_encrypted_raises(value: str) -> None:
    make()
    store(value)

    with pytest.raises(DecryptionError):
        Contact.objects.get()


def test_a_tampered_value_raises() -> None:
    make()
    store(stored()[:-5] + "AAAA=")

    with pytest.raises(DecryptionError):
        Contact.objects.get()


def test_a_value_moved_to_another_column_raises() -> None:
    make()
    store(stored(), column="fax")

    with pytest.raises(DecryptionError, match=r"common_contact\.fax"):
        Contact.objects.get()


def test_a_row_whose_value_cannot_be_read_can_be_read_without_it() -> None:
    make(name="Ada")
    store("broken")

    assert Contact.objects.defer("phone").get().name == "Ada"


def _update(value: Any) -> None:
    make("old")
    assert Contact.objects.update(phone=value) == 1


def _bulk_update(value: Any) -> None:
    contacts = [make("old"), make("old")]
    for contact in contacts:
        contact.phone = value
    assert Contact.objects.bulk_update(contacts, ["phone"]) == 2


def _update_or_create(text: str) -> None:
    make("old", name="there")
    Contact.objects.update_or_create(name="there", defaults={"phone": text})


WAYS: dict[str, Any] = {
    "save": make,
    "bulk_create": lambda text: Contact.objects.bulk_create([Contact(phone=text), Contact(phone=text)]),
    "bulk_create of Value": lambda text: Contact.objects.bulk_create([Contact(phone=Value(text))]),
    "create of Value": lambda text: Contact.objects.create(phone=Value(text)),
    "bulk_update": _bulk_update,
    "bulk_update of Value": lambda text: _bulk_update(Value(text)),
    "update": _update,
    "update of Value": lambda text: _update(Value(text)),
    "update of typed Value": lambda text: _update(Value(text, output_field=models.CharField())),
    "update of Case": lambda text: _update(Case(When(name="", then=Value(text)), default=Value("other"))),
    "update of nested Case": lambda text: _update(
        Case(When(pk__gt=0, then=Case(When(name="", then=Value(text)))), default=F("phone"))
    ),
    "update of Case with bare text": lambda text: _update(Case(When(name="", then=Value(text)))),
    "get_or_create": lambda text: Contact.objects.get_or_create(name="new", defaults={"phone": text}),
    "update_or_create": _update_or_create,
    "upsert": lambda text: Contact.objects.bulk_create(
        [Contact(pk=make("old").pk, phone=text)],
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=["phone"],
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_write_encrypts(way: str) -> None:
    WAYS[way](PHONE)

    for contact in Contact.objects.all():
        assert contact.phone == PHONE
        assert is_encrypted(contact.pk)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_write_refuses_a_text_that_is_too_long(way: str) -> None:
    with pytest.raises(ValidationError, match="at most 20 characters"), transaction.atomic():
        WAYS[way]("x" * 21)

    assert set(Contact.objects.values_list("phone", flat=True)) <= {"old"}


@pytest.mark.parametrize("value", [None, "", Value(None), Value("")])
def test_an_update_may_clear_the_value(value: Any) -> None:
    _update(value)

    assert stored() == (value.value if isinstance(value, Value) else value)


def test_a_case_leaves_the_rows_it_does_not_name() -> None:
    first, second = make("1"), make("2")
    Contact.objects.update(phone=Case(When(pk=first.pk, then=Value("3")), default=F("phone")))

    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.phone, second.phone) == ("3", "2")


REFUSED: dict[str, Any] = {
    "another column": F("name"),
    "another encrypted column": F("fax"),
    "a function": Upper(F("phone")),
    "a concatenation": Concat(F("name"), Value("x")),
    "a fallback": Coalesce(F("phone"), Value(PHONE)),
    "a cast": Cast(Value(PHONE), output_field=models.CharField(max_length=20)),
    "a subquery": Subquery(Contact.objects.values("name")[:1]),
    "a condition": Exists(Contact.objects.filter(pk=OuterRef("pk"))),
    "a case over another column": Case(When(name="", then=F("name"))),
    "a case with such a default": Case(When(name="x", then=Value("1")), default=F("name")),
    "a query": Q(name=""),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_database_would_compute_is_refused(what: str) -> None:
    make(name=PHONE)
    before = stored()

    with pytest.raises(FieldError, match="phone is encrypted"), transaction.atomic():
        Contact.objects.update(phone=REFUSED[what])

    assert stored() == before


@pytest.mark.parametrize(
    "lookup",
    [
        "exact", "iexact", "contains", "icontains", "startswith", "istartswith", "endswith", "regex", "iregex", "in",
        "gt", "gte", "lt", "lte", "range", "search", "length", "unaccent", "trigram_similar", "nonsense",
    ],
)  # fmt: skip
def test_a_lookup_of_a_value_is_refused(lookup: str) -> None:
    for value in (PHONE, "", [PHONE]):
        with pytest.raises(FieldError, match="phone is encrypted"):
            Contact.objects.filter(**{f"phone__{lookup}": value})
        with pytest.raises(FieldError, match="phone is encrypted"):
            Contact.objects.exclude(**{f"phone__{lookup}": value})


def test_a_lookup_without_a_name_is_refused_too() -> None:
    with pytest.raises(FieldError, match="phone is encrypted"):
        Contact.objects.get(phone=PHONE)
    with pytest.raises(FieldError, match="phone is encrypted"):
        Contact.objects.get_or_create(phone=PHONE)
    with pytest.raises(FieldError, match="phone is encrypted"):
        Contact.objects.filter(name="x").filter(Q(phone=F("fax")))
    assert not Contact.objects.exists()


def test_the_database_cannot_compute_with_it_by_a_transform() -> None:
    with pytest.raises(FieldError, match="phone is encrypted"):
        Contact.objects.filter(phone__upper__isnull=True)
    with pytest.raises(FieldError, match="'phone' not permitted"):
        Contact.objects.values("phone__upper")


def test_absence_can_be_asked_for() -> None:
    absent, there = make(None), make()

    assert list(Contact.objects.filter(phone__isnull=True)) == [absent]
    assert list(Contact.objects.filter(phone=None)) == [absent]
    assert list(Contact.objects.filter(phone__isnull=False)) == [there]
    assert list(Contact.objects.exclude(phone=None)) == [there]
    assert list(Contact.objects.exclude(phone__exact=None)) == [there]


def test_queries_that_only_read_decrypt() -> None:
    make("1")
    make("2")

    assert set(Contact.objects.values_list("phone", flat=True)) == {"1", "2"}
    assert {row["phone"] for row in Contact.objects.values("phone")} == {"1", "2"}
    assert set(Contact.objects.annotate(copy=F("phone")).values_list("copy", flat=True)) == {"1", "2"}
    assert {row.phone for row in Contact.objects.only("phone")} == {"1", "2"}
    assert {row.phone for row in Contact.objects.order_by("phone")} == {"1", "2"}
    assert {row.phone for row in Contact.objects.raw("SELECT * FROM common_contact")} == {"1", "2"}
    assert Contact.objects.values("phone").distinct().count() == 2


def test_the_ciphertext_can_be_read_and_decrypted_later() -> None:
    make()
    with_ciphertext = Contact.objects.annotate(ciphertext=Ciphertext("phone"))

    assert with_ciphertext.values_list("ciphertext", flat=True).get() == stored()
    assert vars(with_ciphertext.defer("phone").get())["ciphertext"] == stored()
    assert field().decrypt(stored()) == PHONE


@pytest.mark.parametrize("value", [None, ""])
def test_absence_has_no_ciphertext(value: str | None) -> None:
    make(value)

    assert field().encrypt(value) == value
    assert field().decrypt(value) == value
    assert Contact.objects.values_list(Ciphertext("phone"), flat=True).get() == value


def test_the_column_takes_any_ciphertext() -> None:
    assert field().db_type(connection) == "text"


def test_full_clean_checks_the_length_of_the_plaintext() -> None:
    Contact(name="x", phone="x" * 20).full_clean()
    with pytest.raises(ValidationError) as raised:
        Contact(name="x", phone="x" * 21).full_clean()
    assert set(raised.value.message_dict) == {"phone"}


def test_forms_read_check_and_save_it() -> None:
    form_class = forms.modelform_factory(Contact, fields=["name", "phone"])
    contact = make(name="Ada")

    assert PHONE in form_class(instance=contact).as_p()
    assert 'maxlength="20"' in form_class(instance=contact).as_p()
    assert set(form_class({"name": "Ada", "phone": "x" * 21}, instance=contact).errors) == {"phone"}
    form_class({"name": "Ada", "phone": "123"}, instance=Contact.objects.get()).save()
    assert is_encrypted(contact.pk, "123")
    form_class({"name": "Ada", "phone": ""}, instance=Contact.objects.get()).save()
    assert stored() is None


def test_migrations_describe_it_by_its_plaintext_limit_and_are_stable() -> None:
    _, path, args, kwargs = field().deconstruct()

    assert (path, args) == ("apps.common.fields.EncryptedCharField", [])
    assert kwargs == {"max_length": 20, "null": True, "blank": True}
    assert EncryptedCharField(*args, **kwargs).deconstruct()[1:] == (path, args, kwargs)
    written, imports = MigrationWriter.serialize(field())
    assert written == "apps.common.fields.EncryptedCharField(blank=True, max_length=20, null=True)"
    assert imports == {"import apps.common.fields"}
    named = EncryptedCharField("telephone", max_length=20).deconstruct()
    assert named[2:] == ([], {"verbose_name": "telephone", "max_length": 20})


@pytest.mark.parametrize("option", [{"unique": True}, {"db_index": True}, {"primary_key": True}, {"db_default": "+49"}])
def test_options_that_cannot_hold_are_found_by_the_system_check(option: dict[str, Any]) -> None:
    with isolate_apps("apps.common"):

        class Impossible(models.Model):
            secret = EncryptedCharField(max_length=20, **option)

            class Meta:
                app_label = "common"

            def __str__(self) -> str:
                return ""

        errors = [error for error in Impossible.check() if error.id == "common.E001"]
    assert len(errors) == 1
    assert next(iter(option)) in errors[0].msg


def test_a_usable_field_passes_the_system_check() -> None:
    assert field().check() == []
    assert field("fax").check() == []
