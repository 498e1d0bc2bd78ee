"""Copies of the project to write slices into, and slices that nobody thought of."""

import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from layerline.slices import plan

ROOT: Final = Path(__file__).resolve().parents[3]
SLICE: Final = plan.parse(
    "billing", ["Invoice", "number:str:32", "state:choice:draft|sent", "customer:ref:users.User"], socket=True
)
_NOT_COPIED: Final = shutil.ignore_patterns(".*_cache", "__pycache__", ".git", ".venv", ".dev", "htmlcov", "*.pyc")
_LEFT_BEHIND: Final = re.compile(r"_cache|\.hypothesis")
_TYPES: Final = ("str", "text", "int", "bool", "decimal", "date", "datetime", "uuid", "email", "url", "json")
_NAMES: Final = (
    *("title", "amount", "due", "starts_at", "note", "kind", "is_open", "code", "contact", "link", "extra_info"),
    *("name", "value", "count", "match", "status", "user", "query", "response", "url", "method", "total2"),
)
_SLICES: Final = ("billing", "projects", "support_cases", "stock", "bookings", "reviews", "surveys", "fleet_cars")
_MODELS: Final = (
    *("Invoice", "OrderLine", "Category", "Box", "Address", "Task", "Match", "Case", "Message", "Page", "Listing"),
    *("Model", "Serializer", "ViewSet", "Series", "X1"),
)


def copy_project(target: Path) -> Path:
    """Copy the whole project, as it lies here, and return the copy's folder."""
    shutil.copytree(ROOT, target, ignore=_NOT_COPIED)
    return target


def tree(root: Path) -> dict[str, bytes]:
    """Return every file by its path, but for what Python and the tools leave behind."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.suffix != ".pyc" and not any(_LEFT_BEHIND.search(part) for part in path.parts)
    }


def run(root: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a module or a script of the copy with this Python."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "DJANGO_SETTINGS_MODULE": "config.settings.test", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def random_slice(seed: int) -> list[str]:
    """Return the arguments of a slice that is the same for the same seed."""
    chance = random.Random(seed)
    name = chance.choice(_SLICES)
    model = chance.choice(_MODELS)
    described = [_random_field(chance, field) for field in chance.sample(_NAMES, chance.randint(1, 8))]
    arguments = [name, model, *described]
    if chance.random() < 0.6:
        arguments.append("--socket")
    if chance.random() < 0.4:
        arguments += ["--without", ",".join(chance.sample(("api", "admin", "task"), chance.randint(1, 3)))]
    return arguments


def _random_field(chance: random.Random, name: str) -> str:
    kind = chance.choice((*_TYPES, "choice", "choice", "ref"))
    argument = {
        "str": chance.choice(("", ":1", ":32", ":1000")),
        "choice": f":{'|'.join(chance.sample(('draft', 'open', 'in_review', 'done', 'lost'), chance.randint(2, 5)))}",
        "ref": ":users.User",
    }.get(kind, "")
    return f"{name}:{kind}{argument}{chance.choice(('', '?'))}"
