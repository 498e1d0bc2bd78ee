"""Writing a slice and taking it back: all of it or nothing."""

import difflib
import fcntl
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

from layerline.slices import project, registration, rendering, vocabulary
from layerline.slices.errors import SliceError
from layerline.slices.plan import Slice

_MIGRATION: Final = "migrations/0001_initial.py"
# The page of all frames, which is made of what the slices say of theirs.
# What `document_sockets` writes, as far as the project has it.
_FRAMES: Final = ("docs/frames.md", "clients/typescript/frames.d.ts")


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
    with _alone(root), _told():
        files, edits, pieces = _prepared(slice_, root)
        with _undone_on_failure(slice_.name, root):
            # First, so that a slice whose writing was killed can be taken back.
            _remember(slice_.name, {path: _hash(text.encode()) for path, text in files.items()}, pieces, root)
            for path, text in files.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                with (root / path).open("x", encoding="utf-8", newline="\n") as file:
                    file.write(text)
            # Only now, so that the project can be loaded at every moment.
            with _changed(edits | _pages(pieces, root), root):
                _make_migration(slice_.name, root)
                _document(pieces, root)
                written = _files(root / "apps" / slice_.name, root)
                _remember(slice_.name, written, pieces, root)
    return sorted(written)


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
    with _alone(root), _told():
        remembered = json.loads(record.read_text(encoding="utf-8"))
        if not force:
            _refuse_if_changed(folder, remembered["files"], root)
            _refuse_if_referred_to(name, root)
        pieces = [registration.Entry(file, text, re.compile("")) for file, text in remembered["entries"]]
        gone = _beside(folder, "gone")
        with _changed(registration.taken_out(pieces, root) | _pages(pieces, root), root):
            if folder.exists():
                folder.rename(gone)
            _document(pieces, root)
            _forget(name, root)
        if gone.exists():
            shutil.rmtree(gone)


def _prepared(slice_: Slice, root: Path) -> tuple[dict[str, str], dict[str, str], list[registration.Entry]]:
    vocabulary.check(slice_)
    project.check(slice_, root)
    pieces = list(registration.entries(slice_.name, root, api=slice_.api, socket=slice_.socket))
    return rendering.files(slice_, root), registration.put_in(pieces, root), pieces


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Let one slice at a time be written or taken back: each reads the files that it changes before it does."""
    folder = os.open(root / "apps", os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


@contextmanager
def _told() -> Iterator[None]:
    """Tell in a sentence what the system refuses."""
    try:
        yield
    except OSError as error:
        raise SliceError(f"{error.filename or 'A file'}: {error.strerror}. Everything is as it was.") from None


@contextmanager
def _undone_on_failure(name: str, root: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        shutil.rmtree(root / "apps" / name, ignore_errors=True)
        _forget(name, root)
        raise


@contextmanager
def _changed(edits: dict[str, str], root: Path) -> Iterator[None]:
    """Give files another content, each at once; what fails then gives them back their own, without a byte to write."""
    paths = [root / path for path in edits]
    begun: list[Path] = []
    try:
        for path, text in zip(paths, edits.values(), strict=True):
            shutil.copy2(path, _beside(path, "old"))
            shutil.copy2(path, _beside(path, "new"))
            _beside(path, "new").write_bytes(text.encode())
        for path in paths:
            begun.append(path)
            _beside(path, "new").replace(path)
        yield
    except BaseException:
        for path in begun:
            _beside(path, "old").replace(path)
        raise
    finally:
        for path in paths:
            _beside(path, "new").unlink(missing_ok=True)
            _beside(path, "old").unlink(missing_ok=True)


def _beside(path: Path, what: str) -> Path:
    return path.with_name(f".{path.name}.{what}")


def _make_migration(name: str, root: Path) -> None:
    done = _manage("makemigrations", name, "--no-header", root=root)
    if done.returncode != 0 or not (root / "apps" / name / _MIGRATION).is_file():
        raise SliceError(f"The migration could not be made, and everything is as it was:\n{done.stdout}{done.stderr}")


def _pages(pieces: list[registration.Entry], root: Path) -> dict[str, str]:
    """Return the pages that are written anew because of a slice, as they are."""
    has_socket = any(piece.file == registration.ROUTING for piece in pieces)
    there = [name for name in _FRAMES if (root / name).is_file()]
    return {name: (root / name).read_text(encoding="utf-8") for name in there} if has_socket else {}


def _document(pieces: list[registration.Entry], root: Path) -> None:
    if _pages(pieces, root):
        done = _manage("document_sockets", root=root)
        if done.returncode != 0:
            raise SliceError(f"{_FRAMES[0]} could not be written, and everything is as it was:\n{done.stderr}")


def _manage(*arguments: str, root: Path) -> "subprocess.CompletedProcess[str]":
    # Another process: this one was started with other slices.
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=root,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def _files(folder: Path, root: Path) -> dict[str, str]:
    """Return the hash of every file below a folder by its path, but for what Python leaves behind."""
    return {
        path.relative_to(root).as_posix(): _hash(path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    }


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _record(name: str, root: Path) -> Path:
    return root / ".dev" / "slices" / f"{name}.json"


def _remember(name: str, files: dict[str, str], pieces: list[registration.Entry], root: Path) -> None:
    record = _record(name, root)
    record.parent.parent.mkdir(mode=0o700, exist_ok=True)
    record.parent.mkdir(exist_ok=True)
    remembered = {"files": files, "entries": [(piece.file, piece.text) for piece in pieces]}
    _beside(record, "new").write_text(json.dumps(remembered, indent=1), encoding="utf-8")
    _beside(record, "new").replace(record)


def _forget(name: str, root: Path) -> None:
    record = _record(name, root)
    if record.parent.is_dir():
        record.unlink(missing_ok=True)
        _beside(record, "new").unlink(missing_ok=True)
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
