"""Which names a slice, a model and its fields may have, and the forms in which they appear."""

import builtins
import keyword
import re
import sys
from importlib.util import find_spec
from typing import Final

from layerline.slices.errors import SliceError

LONGEST: Final = 30
_SECRET: Final = re.compile(r"pas+wo?r?d|pass(phrase)?|pwd|token|secrete?", re.IGNORECASE)


def singular(word: str) -> str:
    """Return one of what the word names, by the rules of English that have few exceptions."""
    if re.search(r"(ss|x|ch|sh|zz)es$", word):
        return word[:-2]
    if len(word) > len("pies") and re.search(r"(?<!ser)(?<!spec)ies$", word):
        return f"{word[:-3]}y"
    if word.endswith("s") and not re.search(r"(ss|us|is|news|series|species)$", word):
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
        SliceError: If it is not written like one, or is plural.
    """
    _check_written(name, "model", r"([A-Z][a-z0-9]+)+", "capitalised words without anything between, as in OrderLine")
    if name.startswith("Test"):
        raise SliceError(f"{name} begins with Test: pytest would take it for tests. Choose another name for the model.")
    if keyword.iskeyword(snake(name)):
        raise SliceError(f"{snake(name)!r} is a word of Python's language. Choose another name for the model.")
    one = singular(snake(name))
    if one != snake(name):
        raise SliceError(f"A model is named for one row: {camel(one)}, not {name}.")


def check_field(name: str) -> None:
    """Refuse what cannot be the name of a field.

    Raises:
        SliceError: If it is not written like one, or would hold a secret.
    """
    _check_written(name, "field", r"[a-z][a-z0-9]*(_[a-z0-9]+)*", "lower-case words joined by underscores")
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
    if keyword.iskeyword(name):
        raise SliceError(f"{name!r} is a word of Python's language. Choose another name for the {kind}.")
    if len(name) > LONGEST:
        raise SliceError(f"{name!r} is longer than {LONGEST} characters. Choose a shorter name for the {kind}.")
