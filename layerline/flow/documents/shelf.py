"""The folder in which the pages stand: written, or compared with what should stand there."""

import difflib
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Final

_ENDINGS: Final = frozenset({".md", ".svg"})
_MOST_LINES: Final = 12


def put(folder: Path, texts: Mapping[str, str]) -> list[str]:
    """Write the files that differ, take away those that belong to no flow, and return a line about each."""
    strays = _strays(folder, texts)
    for name in strays:
        (folder / name).unlink()
    behind = _behind(folder, texts)
    for name in behind:
        (folder / name).write_text(texts[name], encoding="utf-8")
    return [f"{name} removed: no flow is called so" for name in strays] + [f"{name} written" for name in behind]


def faults(folder: Path, texts: Mapping[str, str]) -> list[str]:
    """Return a text about each file that is not as it should be."""
    behind = [
        f"{folder / name} is not what the code does now{_difference(folder / name, texts[name])}"
        for name in _behind(folder, texts)
    ]
    return behind + [f"{folder / name} belongs to no flow" for name in _strays(folder, texts)]


def _behind(folder: Path, texts: Mapping[str, str]) -> list[str]:
    return [name for name, text in texts.items() if _stored(folder / name) != text]


def _strays(folder: Path, texts: Mapping[str, str]) -> list[str]:
    return sorted(file.name for file in folder.iterdir() if file.suffix in _ENDINGS and file.name not in texts)


def _difference(file: Path, text: str) -> str:
    if file.suffix == ".svg":
        # It shows what the page tells in words.
        return ""
    lines = difflib.unified_diff(_stored(file).splitlines(), text.splitlines(), "committed", "now", n=0, lineterm="")
    return "".join(f"\n    {line}" for line in islice(lines, _MOST_LINES))


def _stored(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.is_file() else ""
