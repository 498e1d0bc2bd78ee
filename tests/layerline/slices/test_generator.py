import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from layerline.slices import generator, plan
from layerline.slices.errors import SliceError
from tests.layerline.slices.support import SLICE, copy_project, run, tree

# Starts a slice as its words say, in the folder that it runs in.
_START = """
import pathlib, sys
import django
django.setup()
from layerline.slices import generator, plan
generator.start(plan.parse(sys.argv[1], sys.argv[2:]), pathlib.Path.cwd())
"""
# No file may grow beyond this: each file of a slice is smaller, and config/settings/base.py is not.
_SMALL = 10_000


def _append(path: Path, text: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def _shown(slice_: plan.Slice, root: Path) -> list[str]:
    return generator.preview(slice_, root).splitlines()


def test_a_preview_shows_the_files_and_the_changes_and_writes_nothing(root: Path) -> None:
    before = tree(root)

    shown = _shown(SLICE, root)

    assert "  apps/billing/models.py" in shown
    assert "  apps/billing/migrations/0001_initial.py" in shown
    assert '+    "apps.billing",' in shown
    assert '+    *included("apps.billing.routing"),' in shown
    assert '+layers = ["billing", "chat", "users", "common"]' in shown
    assert tree(root) == before


def test_a_slice_is_written_as_it_was_shown_and_goes_without_a_trace(root: Path) -> None:
    before = tree(root)
    shown = [line.strip() for line in _shown(SLICE, root) if line.startswith("  apps/")]

    written = generator.start(SLICE, root)

    assert written == shown
    assert (root / "apps/billing/__init__.py").read_bytes() == b""
    generator.destroy("billing", root)
    assert tree(root) == before
    assert not (root / ".dev").exists()


def test_parts_can_be_left_out(root: Path) -> None:
    shown = _shown(plan.parse("billing", without=plan.PARTS), root)

    left_out = {"admin", "tasks", "views", "urls", "filters", "serializers", "routes", "consumers", "routing"}
    left_out |= {"test_admin", "test_tasks", "test_consumers"}
    assert {Path(line).stem for line in shown if line.startswith("  apps/")} & left_out == set()
    assert not [line for line in shown if line.startswith(("+++ config/urls.py", "+++ config/routing.py"))]


def test_a_socket_does_not_need_the_rest_of_the_api(root: Path) -> None:
    shown = _shown(plan.parse("billing", without=plan.PARTS, socket=True), root)

    names = {Path(line).stem for line in shown if line.startswith("  apps/")}
    assert names >= {"consumers", "routing", "test_consumers", "serializers"}
    assert names & {"views", "urls", "filters", "test_filters"} == set()
    assert '+    *included("apps.billing.routing"),' in shown


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


def test_what_the_system_refuses_is_told_and_taken_back(root: Path) -> None:
    (root / ".dev").write_text("not a folder\n", encoding="utf-8")
    before = tree(root)

    with pytest.raises(SliceError, match=r"\.dev: File exists\. Everything is as it was\."):
        generator.start(SLICE, root)

    assert tree(root) == before


@pytest.mark.slow
def test_a_full_disk_loses_nothing(root: Path) -> None:
    before = tree(root)

    full = f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, ({_SMALL}, {_SMALL}))\n{_START}"
    done = run(root, "-B", "-c", full, "billing")

    assert "config/settings/base.py: File too large. Everything is as it was." in done.stderr
    assert tree(root) == before


@pytest.mark.slow
def test_a_slice_whose_writing_was_killed_is_taken_back(root: Path) -> None:
    before = tree(root)
    manage = (root / "manage.py").read_text(encoding="utf-8")
    (root / "manage.py").write_text("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n", encoding="utf-8")
    killed = run(root, "-B", "-c", _START, "billing")
    (root / "manage.py").write_text(manage, encoding="utf-8")
    assert killed.returncode == -signal.SIGKILL
    assert (root / "apps/billing/models.py").exists()

    with pytest.raises(SliceError, match="exists already"):
        generator.start(SLICE, root)
    generator.destroy("billing", root, force=True)

    assert tree(root) == before


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_of_slices_that_are_written_at_once_each_is_written_whole_or_put_off(root: Path) -> None:
    before, names = tree(root), ("stock", "surveys")

    with ThreadPoolExecutor() as pool:
        done = dict(zip(names, pool.map(lambda name: run(root, "-B", "-c", _START, name), names), strict=True))

    for name, one in done.items():
        if one.returncode:
            assert "Run this once more." in one.stderr
            assert run(root, "-B", "-c", _START, name).returncode == 0
    for path in ("config/settings/base.py", "config/urls.py", "pyproject.toml"):
        assert all(name in (root / path).read_text(encoding="utf-8") for name in names)
    for name in names:
        generator.destroy(name, root)
    assert tree(root) == before


@pytest.mark.parametrize("change", ["edited", "added", "removed"])
def test_a_slice_that_was_changed_stays_unless_forced(started: Path, tmp_path: Path, change: str) -> None:
    if change == "edited":
        _append(started / "apps/billing/services.py", "# mine\n")
    elif change == "added":
        (started / "apps/billing/rules.py").touch()
    else:
        (started / "apps/billing/admin.py").unlink()
    changed = tree(started)

    with pytest.raises(SliceError, match="Changed since it was written"):
        generator.destroy("billing", started)

    assert tree(started) == changed
    generator.destroy("billing", started, force=True)
    assert tree(started) == tree(copy_project(tmp_path / "untouched"))


def test_a_slice_that_another_refers_to_stays(started: Path) -> None:
    _append(started / "apps/users/types.py", "from apps.billing.types import InvoiceValues\n")
    before = tree(started)

    with pytest.raises(SliceError, match=r"These refer to billing: apps/users/types\.py"):
        generator.destroy("billing", started)

    assert tree(started) == before


def test_what_cannot_be_taken_away_stays_whole(started: Path) -> None:
    (started / "apps/.billing.gone").mkdir()
    (started / "apps/.billing.gone/kept").touch()
    before = tree(started)

    with pytest.raises(SliceError, match=r"Directory not empty\. Everything is as it was\."):
        generator.destroy("billing", started)

    assert tree(started) == before


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
        (["stock", "Thing", "by:ref:stock.Box"], "there is no model stock.Box"),
        (["stock", "Thing", "by:ref:users.user"], "spelt as it is"),
        (["stock", "Thing", "by:ref:auth.Group"], "leads to a model of a slice"),
        (["stock", "Job", "name:str"], "for something else"),
    ],
)
def test_a_slice_for_which_there_is_no_room_is_refused(root: Path, arguments: list[str], reason: str) -> None:
    slice_ = plan.parse(arguments[0], arguments[1:])

    with pytest.raises(SliceError, match=reason):
        generator.preview(slice_, root)
