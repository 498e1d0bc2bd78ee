"""What is to be written, from what was typed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from layerline.slices import fields, names
from layerline.slices.errors import SliceError
from layerline.slices.fields import Field

PARTS: Final = ("api", "admin", "task")
_LONGEST_INDEX_NAME: Final = 30


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice with one model, and every form in which its files name it."""

    name: str
    model: str
    fields: tuple[Field, ...]
    api: bool = True
    admin: bool = True
    task: bool = True
    socket: bool = False

    @property
    def camel(self) -> str:
        return names.camel(self.name)

    @property
    def one(self) -> str:
        return names.snake(self.model)

    @property
    def plural(self) -> str:
        return names.plural(self.one)

    @property
    def lower(self) -> str:
        return self.model.lower()

    @property
    def words(self) -> str:
        return self.one.replace("_", " ")

    @property
    def a(self) -> str:
        """One of them in a sentence."""
        return f"{'an' if self.one[0] in 'aeio' else 'a'} {self.words}"

    @property
    def words_plural(self) -> str:
        return self.plural.replace("_", " ")

    @property
    def address(self) -> str:
        return self.plural.replace("_", "-")

    @property
    def route(self) -> str:
        return self.one.replace("_", "-")

    @property
    def route_plural(self) -> str:
        return self.address

    @property
    def index(self) -> str:
        return f"{self.plural[: _LONGEST_INDEX_NAME - len('_created')]}_created"

    @property
    def job(self) -> str:
        return f"follow_{self.one}"

    @property
    def group(self) -> str:
        """The constant that names the group of its sockets."""
        return f"{self.one.upper()}_CHANGES"

    @property
    def label(self) -> Field:
        """The field that stands for a row where one line is shown: the first short text, if there is one."""
        return next((field for field in self.fields if field.annotation == "str"), self.fields[0])

    @property
    def enums(self) -> list[Field]:
        return [field for field in self.fields if field.enum]

    @property
    def enum_import(self) -> str:
        enums = ", ".join(sorted(field.enum for field in self.enums))
        return f"from apps.{self.name}.enums import {enums}" if enums else ""

    @property
    def refs(self) -> list[Field]:
        return [field for field in self.fields if field.target]

    @property
    def ref_names(self) -> str:
        return f"{{{', '.join(repr(field.name) for field in self.refs)}}}"

    @property
    def targets(self) -> list[tuple[str, str]]:
        return sorted({field.target for field in self.fields if field.target})

    @property
    def support_factories(self) -> list[tuple[str, str]]:
        return self.targets

    @property
    def factories(self) -> list[tuple[str, str]]:
        return sorted({*self.targets, ("users", "User")})

    @property
    def ordered(self) -> list[Field]:
        """The fields that a list may be ordered by: those of which every row has one."""
        return [field for field in self.fields if field.orders and not field.annotation.endswith("None")]

    @property
    def filter_lines(self) -> list[str]:
        return [line for field in self.fields for line in field.filters]

    @property
    def queried(self) -> list[Field]:
        return [field for field in self.fields if field.query]

    @property
    def required(self) -> list[Field]:
        return [field for field in self.fields if not field.optional]

    @property
    def optionals(self) -> list[Field]:
        return [field for field in self.fields if field.optional]

    @property
    def compared(self) -> list[Field]:
        return [field for field in self.fields if not field.target]

    @property
    def columns(self) -> list[Field]:
        """The fields that the admin's list shows."""
        return [field for field in self.fields if field.orders or field.filters]

    @property
    def narrow(self) -> list[Field]:
        return [field for field in self.fields if field.enum or field.annotation == "bool"]


def parse(name: str, words: Sequence[str] = (), without: Sequence[str] = (), *, socket: bool = False) -> Slice:
    """Return the slice that a command line describes.

    Args:
        words: The model and its fields; without any, a model named after the slice that has a name.
        without: Parts to leave out, of PARTS.
        socket: Whether changes are pushed to sockets, and taken from them.

    Raises:
        SliceError: If something has a name that it cannot have, or a type that there is not.
    """
    names.check_slice(name)
    unknown = set(without) - set(PARTS)
    if unknown:
        raise SliceError(f"--without knows {', '.join(PARTS)}, and not {', '.join(sorted(unknown))}.")
    model, *described = words or (names.camel(names.singular(name)), "name:str")
    names.check_model(model)
    if not described:
        raise SliceError(f"{model} has no fields. Name at least one, as in name:str.")
    parsed = tuple(fields.parse(text, model) for text in described)
    slice_ = Slice(name, model, parsed, **{part: part not in without for part in PARTS}, socket=socket)
    _check_together(slice_)
    return slice_


def _check_together(slice_: Slice) -> None:
    taken = [field.name for field in slice_.fields]
    taken += [field.wire for field in slice_.fields if field.wire != field.name]
    for field in slice_.fields:
        taken += [name for name in field.parameters if name not in {field.name, field.wire}]
    taken += [slice_.one, f"{slice_.one}_id"]
    # What frames have besides.
    taken += ["ref", "type"] if slice_.socket else []
    twice = sorted({name for name in taken if taken.count(name) > 1})
    if twice:
        raise SliceError(
            f"Two things of {slice_.model} would be called {', '.join(twice)}. Choose another name for one."
        )
    enums = [field.enum for field in slice_.enums]
    models = [slice_.model, *(model for _, model in slice_.targets)]
    if slice_.model in {model for _, model in slice_.factories}:
        raise SliceError(f"A model called {slice_.model} would refer to another of its own name. Choose another.")
    if len({*enums, *models}) != len(enums) + len(set(models)):
        raise SliceError(f"{slice_.model}: a choice and a model would have the same name. Choose another for one.")
    if len({model for _, model in slice_.targets}) != len(slice_.targets):
        raise SliceError(f"{slice_.model} refers to two models of one name. Write that slice by hand.")
