"""Which names a slice, a model and its fields may have, and the forms in which they appear."""

import builtins
import keyword
import re
import sys
from importlib.util import find_spec
from typing import Final

from layerline.slices.errors import SliceError

LONGEST: Final = 30
# What the written files import or define themselves; a name hidden by a field would mean something else below it.
_IMPORTED: Final = {
    *("admin", "actor", "body", "changes", "count", "date", "datetime", "django_filters", "enums", "filters", "job"),
    *("log", "models", "outbox", "partial", "path", "pytest", "reverse", "serializers", "settings", "structlog"),
    *("timedelta", "transaction", "uuid", "uuid4", "values", "job_id", "request"),
}
_OF_MODELS: Final = {
    *("adelete", "arefresh_from_db", "asave", "check", "clean", "clean_fields", "created_at", "date_error_message"),
    *(
        "delete",
        "from_db",
        "full_clean",
        "get_constraints",
        "get_deferred_fields",
        "id",
        "objects",
        "owner",
        "owner_id",
    ),
    *("pk", "prepare_database_save", "refresh_from_db", "save", "save_base", "serializable_value"),
    *("unique_error_message", "updated_at", "validate_constraints", "validate_unique"),
}
_OF_SERIALIZERS: Final = {
    *("allow_null", "bind", "context", "create", "data", "default", "default_error_messages", "default_validators"),
    *("error_messages", "errors", "fail", "field_name", "fields", "get_attribute", "get_default", "get_extra_kwargs"),
    *("get_fields", "get_initial", "get_validators", "get_value", "help_text", "initial", "initial_data", "instance"),
    *("is_valid", "label", "many_init", "parent", "read_only", "read_only_defaults", "required", "root"),
    *("run_validation", "run_validators", "save", "shown_by", "source", "source_attrs", "style", "to_internal_value"),
    *("to_representation", "update", "validate", "validate_empty_values", "validated_data", "validators"),
    *("write_only",),
}
_OF_LISTS: Final = {
    *("base_filters", "declared_filters", "filter_queryset", "form", "form_prefix", "is_bound", "ordering", "page"),
    *("page_size", "qs", "queryset", "search", "created_after", "format"),
}
RESERVED_FIELDS: Final = _IMPORTED | _OF_MODELS | _OF_SERIALIZERS | _OF_LISTS
RESERVED_MODELS: Final = {
    *("Actor", "Any", "APIClient", "AppException", "BaseModel", "BaseViewSet", "Browser", "Call", "Decimal", "Final"),
    *("Field", "FieldError", "ForbiddenError", "HttpRequest", "HttpResponse", "InvalidInputError", "Mapping", "Meta"),
    *("Model", "NotFoundError", "NotRequired", "OpenApiExample", "OpenApiParameter", "OpenApiResponse", "OpenApiTypes"),
    *("OutboxRow", "OutboxState", "QuerySet", "Request", "Response", "Role", "Route", "SignIn", "TypedDict", "Unpack"),
    *("UUID", "User", "ClassVar", "IsAuthenticated", "EmailValidator", "URLValidator", "OneLineField"),
}
_SECRET: Final = re.compile(r"pas+wo?r?d|pass(phrase)?|pwd|token|secrete?", re.IGNORECASE)


def singular(word: str) -> str:
    """Return one of what the word names, by the rules of English that have few exceptions."""
    if re.search(r"(ss|x|ch|sh|zz)es$", word):
        return word[:-2]
    if len(word) > len("pies") and word.endswith("ies"):
        return f"{word[:-3]}y"
    if word.endswith("s") and not re.search(r"(ss|us|is|news)$", word):
        return word[:-1]
    return word


def plural(word: str) -> str:
    """Return several of what the word names."""
    if re.search(r"[^aeiou]y$", word):
        return f"{word[:-1]}ies"
    if re.search(r"(s|x|ch|sh|z)$", word):
        return f"{word}es"
    return f"{word}s"


def camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def snake(model: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", model).lower()


def check_slice(name: str) -> None:
    """Refuse what cannot be the name of a slice, whatever the project.

    Raises:
        SliceError: If it is not written like one, or means something else already.
    """
    _check_written(name, "slice", r"[a-z][a-z0-9]*(_[a-z0-9]+)*", "lower-case words joined by underscores")
    if name in dir(builtins) or name in sys.stdlib_module_names:
        raise SliceError(f"{name!r} is a name of Python's own. Choose another, such as {name}_records.")
    if find_spec(name):
        raise SliceError(f"{name!r} is a package that is installed here. Choose another name.")


def check_model(name: str) -> None:
    """Refuse what cannot be the name of a model.

    Raises:
        SliceError: If it is not written like one, is plural, or is used by what the files import.
    """
    _check_written(name, "model", r"([A-Z][a-z0-9]+)+", "capitalised words without anything between, as in OrderLine")
    if name in RESERVED_MODELS or name in dir(builtins):
        raise SliceError(f"A model cannot be called {name}: the files of a slice use the name for something else.")
    one = singular(snake(name))
    if one != snake(name):
        raise SliceError(f"A model is named for one row: {camel(one)}, not {name}.")


def check_field(name: str) -> None:
    """Refuse what cannot be the name of a field.

    Raises:
        SliceError: If it is not written like one, or would hide something.
    """
    _check_written(name, "field", r"[a-z][a-z0-9]*(_[a-z0-9]+)*", "lower-case words joined by underscores")
    if name in RESERVED_FIELDS or name in dir(builtins):
        raise SliceError(f"A field cannot be called {name!r}: it would hide what has the name already. Choose another.")
    if _SECRET.search(name):
        raise SliceError(f"A field called {name!r} would hold a secret in clear text: write that slice by hand.")


def check_choice(name: str) -> None:
    """Refuse what cannot be one of a field's choices.

    Raises:
        SliceError: If it is not written like one.
    """
    _check_written(name, "choice", r"[a-z][a-z0-9]*(_[a-z0-9]+)*", "lower-case words joined by underscores")
    if _SECRET.search(name) or name == "mro":
        raise SliceError(
            f"A choice cannot be called {name!r}: it has a meaning of its own in Python or for the linter."
        )


def _check_written(name: str, kind: str, pattern: str, form: str) -> None:
    if not re.fullmatch(pattern, name):
        raise SliceError(f"{name!r} is no name for a {kind}: write {form}.")
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise SliceError(f"{name!r} is a word of Python's language. Choose another name for the {kind}.")
    if len(name) > LONGEST:
        raise SliceError(f"{name!r} is longer than {LONGEST} characters. Choose a shorter name for the {kind}.")
