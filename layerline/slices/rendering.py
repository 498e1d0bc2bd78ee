"""The files of a slice, in the style of the house: templates filled in, then sorted and formatted by ruff."""

import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from django.template import Context, Engine

from layerline.slices.errors import SliceError
from layerline.slices.plan import Slice

_TEMPLATES: Final = Path(__file__).with_name("templates")
_TAG_ALONE: Final = re.compile(r"^[ \t]*(\{%[^%\n]*%\})[ \t]*\n", re.MULTILINE)
# The files are not there yet, and ruff would take what they import of each other for a library.
_FIRST_PARTY: Final = 'lint.isort.known-first-party = ["apps", "conftest", "infrastructure"]'
_OF_API: Final = re.compile(r"filters|views|urls|tests/(views/.*|routes|test_filters)")
_OF_SOCKET: Final = re.compile(r"consumers|frames|routing|tests/test_consumers")
_OF_ADMIN: Final = re.compile(r"admin|tests/test_admin")
_OF_TASK: Final = re.compile(r"tasks|tests/test_tasks")


def files(slice_: Slice, root: Path) -> dict[str, str]:
    """Return the text of every file by its path in the project; the migration is made from them, and not here.

    Raises:
        SliceError: If ruff refuses one, which is a fault of a template.
    """
    with TemporaryDirectory() as name:
        folder, texts = Path(name), drafts(slice_)
        for path, text in texts.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        _ruff("check", "--fix-only", "--select", "I,F401", "--config", _FIRST_PARTY, folder=folder, root=root)
        # What a template's loop leaves behind is no wish for a line of its own.
        _ruff("format", "--config", "format.skip-magic-trailing-comma = true", folder=folder, root=root)
        return {path: (folder / path).read_text(encoding="utf-8") for path in texts}


def drafts(slice_: Slice) -> dict[str, str]:
    """Return the same before it is sorted and formatted, with imports of more than is used."""
    templates = {
        template.relative_to(_TEMPLATES).as_posix().removesuffix(".txt"): template
        for template in sorted(_TEMPLATES.rglob("*.txt"))
    }
    return {
        f"apps/{slice_.name}/{name}": _filled_in(template, slice_)
        for name, template in templates.items()
        if _wanted(slice_, name.removesuffix(".py"))
    }


def _wanted(slice_: Slice, name: str) -> bool:
    if name == "enums":
        return bool(slice_.enums)
    if name == "serializers":
        return slice_.api or slice_.socket
    parts = ((_OF_API, slice_.api), (_OF_SOCKET, slice_.socket), (_OF_ADMIN, slice_.admin), (_OF_TASK, slice_.task))
    return all(wanted for pattern, wanted in parts if pattern.fullmatch(name))


def _filled_in(template: Path, slice_: Slice) -> str:
    # A line that holds a tag and nothing else is no line of the file.
    text = _TAG_ALONE.sub(r"\1", template.read_text(encoding="utf-8"))
    return Engine(autoescape=False).from_string(text).render(Context({"s": slice_}, autoescape=False))


def _ruff(*arguments: str, folder: Path, root: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "ruff",
            *arguments,
            "--quiet",
            "--no-cache",
            "--config",
            str(root / "pyproject.toml"),
            ".",
        ],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode != 0:
        raise SliceError(f"ruff refused what the templates made: {done.stdout}{done.stderr}".strip())
