"""The next releases of this project: one with a column more, one that has no use for it, and one without it again.

Before each, its migrations run, while the release before it serves: so each may only ask of the tables what that one
can live with.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.rehearsal.stack import ROOT

_MODEL: Final = "apps/users/models.py"
_ANCHOR: Final = '    avatar = models.CharField(max_length=255, blank=True, default="")\n'
_COLUMN: Final = "    nickname = models.CharField(max_length=150, null=True)\n"


def copied(target: Path) -> Path:
    """Return a copy of what is committed or about to be."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def expanded(target: Path) -> Path:
    """Return a release that has a column more, which may be empty: the release before it can live with that."""
    copied(target)
    model = target / _MODEL
    text = model.read_text(encoding="utf-8")
    assert text.count(_ANCHOR) == 1
    model.write_text(text.replace(_ANCHOR, _ANCHOR + _COLUMN), encoding="utf-8")
    _migration(
        target,
        "expand",
        'migrations.AddField("user", "nickname", models.CharField(max_length=150, null=True))',
    )
    return target


def unused(target: Path, source: Path) -> Path:
    """Return the release after it, which has no use for that column any more; the table still has it."""
    shutil.copytree(source, target)
    model = target / _MODEL
    model.write_text(model.read_text(encoding="utf-8").replace(_COLUMN, ""), encoding="utf-8")
    _migration(
        target,
        "forget",
        'migrations.SeparateDatabaseAndState(state_operations=[migrations.RemoveField("user", "nickname")])',
    )
    return target


def contracted(target: Path, source: Path) -> Path:
    """Return the release after that, which takes the column away."""
    shutil.copytree(source, target)
    _migration(target, "contract", 'migrations.RunSQL("ALTER TABLE users DROP COLUMN nickname")')
    return target


def _migration(root: Path, name: str, operation: str) -> None:
    folder = root / "apps" / "users" / "migrations"
    last = max(path.stem for path in folder.glob("[0-9]*.py"))
    number = int(last[:4]) + 1
    (folder / f"{number:04d}_{name}.py").write_text(
        "from django.db import migrations, models\n\n\n"
        "class Migration(migrations.Migration):\n"
        f'    dependencies = [("users", "{last}")]\n'
        f"    operations = [{operation}]\n",
        encoding="utf-8",
    )
