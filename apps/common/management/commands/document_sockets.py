import json
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import resolve, reverse

from apps.common.schema import Socket, asyncapi_document, reference, sockets_at, typescript


class Command(BaseCommand):
    """The page of all frames, their types for TypeScript, and whether the AsyncAPI document is one."""

    # The gate and the generator of slices make them.
    requires_system_checks = []
    help = "Write docs/frames.md and clients/typescript/frames.d.ts anew from the registries of frames."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing, and fail where the page fell behind")
        parser.add_argument(
            "--schema", type=Path, metavar="FILE", help="hold the AsyncAPI document to the JSON Schema of AsyncAPI, too"
        )

    def handle(self, *, check: bool, schema: Path | None, **_: Any) -> None:
        sockets = declared_sockets()
        if schema is not None and (faults := list(_faults(sockets, schema))):
            raise CommandError("\n".join(faults))
        for name, text in _written(sockets).items():
            file = settings.PROJECT_ROOT / name
            if not check:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
            elif not file.is_file() or file.read_text(encoding="utf-8") != text:
                raise CommandError(f'{name} fell behind: `make manage ARGS="document_sockets"` writes it anew.')


def _written(sockets: list[Socket]) -> dict[str, str]:
    return {
        "docs/frames.md": reference(sockets),
        "clients/typescript/frames.d.ts": typescript(asyncapi_document(sockets)),
    }


def declared_sockets() -> list[Socket]:
    """Return the sockets of the project: those that the address of the AsyncAPI document was given."""
    view: Any = resolve(reverse("asyncapi")).func
    return sockets_at(view.view_initkwargs["routes"])


def _faults(sockets: list[Socket], schema: Path) -> Iterator[str]:
    """Yield a line about each place where the document breaks a rule of AsyncAPI, or an example its own schema."""
    validator = jsonschema.Draft7Validator(json.loads(schema.read_text(encoding="utf-8")))
    document = asyncapi_document(sockets)
    for error in validator.iter_errors(document):
        yield f"{'/'.join(map(str, error.absolute_path))}: {error.message[:500]}"
    for name, message in document["components"]["messages"].items():
        shape = {**message["payload"], "components": document["components"]}
        for example in message["examples"]:
            for error in jsonschema.Draft7Validator(shape).iter_errors(example["payload"]):
                yield f"the example of {name}: {error.message[:500]}"
