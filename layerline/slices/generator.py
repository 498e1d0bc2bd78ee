"""Writing a slice and taking it back: all of it or nothing."""

import difflib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from layerline.slices import project, registration, rendering
from layerline.slices.errors import SliceError
from layerline.slices.plan import Slice

_MIGRATION: Final = "migrations/0001_initial.py"


def preview(slice_: Slice, root: Path) -> str:
    """Return what `start` would do: the tree of new files, and the changes to those that are there.

    Raises:
        SliceError: If it would refuse.
    """
    files, edits, _ = _prepared(slice_, root)
    paths = sorted([*files, f"apps/{slice_.name}/{_MIGRATION}"])
    changes = [
        line
        for path, text in sorted(edits.items())
        for line in difflib.unified_diff(
            (root / path).read_text(encoding="utf-8").splitlines(), text.splitlines(), path, path, lineterm="", n=1
        )
    ]
    return "\n".join(["New files:", *(f"  {path}" for path in paths), "", "Changes:", *changes])


def start(slice_: Slice, root: Path) -> list[str]:
    """Write the slice, make its migration and make it known; return the paths of the new files.

    Raises:
        SliceError: If anything is in the way or fails; then everything is as it was.
    """
    files, edits, pieces = _prepared(slice_, root)
    with _undone_on_failure(slice_.name, list(edits), root):
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            with (root / path).open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
        for path, text in edits.items():
            _write(root / path, text)
        _make_migration(slice_.name, root)
        _remember(slice_.name, pieces, root)
    return sorted(_files(root / "apps" / slice_.name, root))


def destroy(name: str, root: Path, *, force: bool = False) -> None:
    """Take a slice back as if it had never been written.

    Args:
        force: Whether to do so though it was changed since, or something refers to it.

    Raises:
        SliceError: If there is none, if it was changed since or if something refers to it.
    """
    folder = root / "apps" / name
    record = _record(name, root)
    if not record.is_file():
        raise SliceError(
            f"There is no record in .dev/slices of a slice {name!r} that startslice wrote here: delete apps/{name} and "
            "its lines in config/ and pyproject.toml by hand."
        )
    remembered = json.loads(record.read_text(encoding="utf-8"))
    if not force:
        _refuse_if_changed(folder, remembered["files"], root)
        _refuse_if_referred_to(name, root)
    pieces = [registration.Entry(file, text, re.compile("")) for file, text in remembered["entries"]]
    edits = registration.taken_out(pieces, root)
    for path, text in edits.items():
        _write(root / path, text)
    shutil.rmtree(folder, ignore_errors=True)
    _forget(name, root)


def _prepared(slice_: Slice, root: Path) -> tuple[dict[str, str], dict[str, str], list[registration.Entry]]:
    project.check(slice_, root)
    enums = project.named_enums(slice_)
    pieces = list(registration.entries(slice_.name, root, api=slice_.api, enums=enums))
    return rendering.files(slice_, root), registration.put_in(pieces, root), pieces


@contextmanager
def _undone_on_failure(name: str, edited: list[str], root: Path) -> Iterator[None]:
    before = {path: (root / path).read_bytes() for path in edited}
    try:
        yield
    except BaseException:
        for path, content in before.items():
            (root / path).write_bytes(content)
        shutil.rmtree(root / "apps" / name, ignore_errors=True)
        _forget(name, root)
        raise


def _make_migration(name: str, root: Path) -> None:
    # Another process: this one was started before there was anything to migrate.
    done = subprocess.run(
        [sys.executable, "manage.py", "makemigrations", name, "--no-header"],
        cwd=root,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0 or not (root / "apps" / name / _MIGRATION).is_file():
        raise SliceError(f"The migration could not be made, and everything is as it was:\n{done.stdout}{done.stderr}")


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)


def _files(folder: Path, root: Path) -> dict[str, str]:
    """Return the hash of every file below a folder by its path, but for what Python leaves behind."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    }


def _record(name: str, root: Path) -> Path:
    return root / ".dev" / "slices" / f"{name}.json"


def _remember(name: str, pieces: list[registration.Entry], root: Path) -> None:
    record = _record(name, root)
    record.parent.parent.mkdir(mode=0o700, exist_ok=True)
    record.parent.mkdir(exist_ok=True)
    remembered = {
        "files": _files(root / "apps" / name, root),
        "entries": [(piece.file, piece.text) for piece in pieces],
    }
    record.write_text(json.dumps(remembered, indent=1), encoding="utf-8")


def _forget(name: str, root: Path) -> None:
    record = _record(name, root)
    record.unlink(missing_ok=True)
    for folder in (record.parent, record.parent.parent):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _refuse_if_changed(folder: Path, remembered: dict[str, str], root: Path) -> None:
    now = _files(folder, root)
    changed = sorted(path for path in {*now, *remembered} if now.get(path) != remembered.get(path))
    if changed:
        raise SliceError(
            f"Changed since it was written: {', '.join(changed)}. Nothing was done; --force takes it away all the same."
        )


def _refuse_if_referred_to(name: str, root: Path) -> None:
    """Refuse where another module imports the slice or another model or migration names it."""
    reference = re.compile(rf"\b(?:from|import) apps\.{name}\b|[\"']{name}(?:\.\w+)?[\"']")
    own = root / "apps" / name
    referring = [
        path.relative_to(root).as_posix()
        for path in sorted((root / "apps").rglob("*.py"))
        if own not in path.parents and reference.search(path.read_text(encoding="utf-8"))
    ]
    if referring:
        raise SliceError(
            f"These refer to {name}: {', '.join(referring)}. Nothing was done; --force takes it away all the same."
        )
