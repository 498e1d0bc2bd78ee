from pathlib import Path

import pytest

from layerline.slices import generator, plan
from layerline.slices.errors import SliceError
from tests.layerline.slices.support import tree

SLICE = plan.parse("billing", ["Invoice", "number:str:32", "state:choice:draft|sent", "customer:ref:users.User"])


def _append(path: Path, text: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def test_a_preview_shows_the_files_and_the_changes_and_writes_nothing(root: Path) -> None:
    before = tree(root)

    shown = generator.preview(SLICE, root).splitlines()

    assert "  apps/billing/models.py" in shown
    assert "  apps/billing/migrations/0001_initial.py" in shown
    assert '+    "apps.billing",' in shown
    assert '+layers = ["billing", "users", "common"]' in shown
    assert tree(root) == before


def test_a_slice_is_written_as_it_was_shown_and_goes_without_a_trace(root: Path) -> None:
    before = tree(root)
    shown = [line.strip() for line in generator.preview(SLICE, root).splitlines() if line.startswith("  apps/")]

    written = generator.start(SLICE, root)

    assert written == shown
    assert (root / "apps/billing/__init__.py").read_bytes() == b""
    generator.destroy("billing", root)
    assert tree(root) == before
    assert not (root / ".dev").exists()


def test_parts_can_be_left_out(root: Path) -> None:
    written = generator.start(plan.parse("billing", without=plan.PARTS), root)

    left_out = {"admin", "tasks", "views", "urls", "filters", "serializers", "routes", "test_admin", "test_tasks"}
    assert {Path(path).stem for path in written} & left_out == set()
    assert "billing" not in (root / "config/urls.py").read_text(encoding="utf-8")


def test_nothing_is_ever_overwritten(root: Path) -> None:
    folder = root / "apps" / "billing"
    folder.mkdir()
    (folder / "models.py").write_text("mine = True\n", encoding="utf-8")
    before = tree(root)

    with pytest.raises(SliceError, match="nothing is ever overwritten"):
        generator.start(SLICE, root)

    assert tree(root) == before


def test_a_failure_takes_everything_back(root: Path) -> None:
    (root / "manage.py").write_text("raise SystemExit('no migrations today')\n", encoding="utf-8")
    before = tree(root)

    with pytest.raises(SliceError, match="no migrations today"):
        generator.start(SLICE, root)

    assert tree(root) == before
    assert not (root / "apps" / "billing").exists()


@pytest.mark.parametrize("change", ["edited", "added", "removed"])
def test_a_slice_that_was_changed_stays_unless_forced(root: Path, change: str) -> None:
    before = tree(root)
    generator.start(SLICE, root)
    if change == "edited":
        _append(root / "apps/billing/services.py", "# mine\n")
    elif change == "added":
        (root / "apps/billing/rules.py").touch()
    else:
        (root / "apps/billing/admin.py").unlink()
    changed = tree(root)

    with pytest.raises(SliceError, match="Changed since it was written"):
        generator.destroy("billing", root)

    assert tree(root) == changed
    generator.destroy("billing", root, force=True)
    assert tree(root) == before


def test_a_slice_that_another_refers_to_stays(root: Path) -> None:
    generator.start(SLICE, root)
    _append(root / "apps/users/types.py", "from apps.billing.types import InvoiceValues\n")
    before = tree(root)

    with pytest.raises(SliceError, match=r"These refer to billing: apps/users/types\.py"):
        generator.destroy("billing", root)

    assert tree(root) == before


@pytest.mark.parametrize("name", ["users", "no_such_slice", "../apps"])
def test_only_what_was_written_here_is_taken_away(root: Path, name: str) -> None:
    before = tree(root)

    with pytest.raises(SliceError, match="There is no record"):
        generator.destroy(name, root, force=True)

    assert tree(root) == before


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["sessions", "Thing", "name:str"], "the label of an app"),
        (["logins", "Session", "name:str"], "The table sessions belongs to users.Session"),
        (["logins", "Login", "name:str"], "There is a LoginSerializer already"),
        (["stock", "Thing", "by:ref:users.Nobody"], "there is no model users.Nobody"),
        (["stock", "Thing", "by:ref:users.Session"], "apps/users/selectors.py has no such method"),
    ],
)
def test_a_slice_for_which_there_is_no_room_is_refused(root: Path, arguments: list[str], reason: str) -> None:
    slice_ = plan.parse(arguments[0], arguments[1:])

    with pytest.raises(SliceError, match=reason):
        generator.preview(slice_, root)
