import json
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Final

import pytest
from django.core.management import call_command

from layerline.contract import command
from tests.layerline.contract.support import PROJECT, plant

ROOT: Final = Path(__file__).parents[3]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with two findings in one file."""
    plant(tmp_path, {**PROJECT, "apps/rooms/views.py": "print(1)\nprint('50%')\n"})
    return tmp_path


def _run(project: Path, *arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = command.main(["--root", str(project), *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_writes_one_line_a_finding_and_fails(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(project, capsys=capsys)
    assert code == 1
    assert out.splitlines() == [
        f"apps/rooms/views.py:{line}: print-in-slice: writes to standard output with `print`; "
        "use the logger, or `self.stdout` in a management command"
        for line in (1, 2)
    ] + ["2 findings"]


def test_says_that_the_layers_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plant(tmp_path, PROJECT)
    assert _run(tmp_path, capsys=capsys) == (0, "The layers hold.\n", "")


def test_writes_json(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(project, "--format", "json", capsys=capsys)
    assert code == 1
    assert json.loads(out)[1] == {
        "path": "apps/rooms/views.py",
        "line": 2,
        "rule": "print-in-slice",
        "what": "writes to standard output with `print`",
        "mend": "use the logger, or `self.stdout` in a management command",
    }


def test_json_without_findings_is_an_empty_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plant(tmp_path, PROJECT)
    assert _run(tmp_path, "--format", "json", capsys=capsys) == (0, "[]\n", "")


def test_writes_annotations_for_github(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = _run(project, "--format", "github", capsys=capsys)
    assert out.splitlines()[0] == (
        "::error file=apps/rooms/views.py,line=1,title=print-in-slice::writes to standard output with `print`; "
        "use the logger, or `self.stdout` in a management command"
    )


def test_tells_of_the_given_paths_only(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(project, str(project / "infrastructure"), capsys=capsys)[0] == 0
    assert _run(project, str(project / "apps/rooms"), capsys=capsys)[0] == 1
    assert _run(project, str(project / "apps/rooms/views.py"), capsys=capsys)[0] == 1


def test_a_baseline_is_made_kept_and_shrunk(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    baseline = project / "baseline.json"
    options = ("--baseline", str(baseline))
    assert _run(project, *options, "--update-baseline", capsys=capsys) == (0, "baseline.json holds 2 findings.\n", "")
    assert _run(project, *options, capsys=capsys) == (0, "Nothing that the baseline does not know.\n", "")
    (project / "apps/rooms/views.py").write_text("print(1)\n")
    code, out, _ = _run(project, *options, capsys=capsys)
    assert (code, "stale-baseline" in out) == (1, True)
    assert _run(project, *options, "--update-baseline", capsys=capsys)[0] == 0
    (project / "apps/rooms/views.py").write_text("print(1)\nprint(2)\n")
    code, _, err = _run(project, *options, "--update-baseline", capsys=capsys)
    assert (code, "only shrinks" in err) == (2, True)


def test_an_update_needs_a_file_and_the_whole_project(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(project, "--update-baseline", capsys=capsys)[0] == 2
    assert _run(project, "apps", "--baseline", "x.json", "--update-baseline", capsys=capsys)[0] == 2


def test_explains_a_rule(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--explain", "orm-in-door"]) == 0
    assert capsys.readouterr().out.startswith("### orm-in-door\n")
    assert command.main(["--explain", "no-such-rule"]) == 2
    assert "There are: orm-in-door, " in capsys.readouterr().err


def test_says_that_there_is_no_project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = _run(tmp_path, capsys=capsys)
    assert (code, "none of the packages" in err) == (2, True)
    (tmp_path / "pyproject.toml").write_text("[tool")
    code, _, err = _run(tmp_path, capsys=capsys)
    assert (code, "pyproject.toml cannot be read" in err) == (2, True)


def test_is_a_management_command(project: Path) -> None:
    out = StringIO()
    with pytest.raises(SystemExit) as exit_:
        call_command("check_layers", root=project, stdout=out)
    assert exit_.value.code == 1
    assert out.getvalue().endswith("2 findings\n")


def test_runs_without_django_settings_and_finds_nothing_in_this_project() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "layerline.contract"],
        cwd=ROOT,
        env={"PATH": "", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "The layers hold.\n", "")


def test_this_project_allows_nothing_and_has_no_baseline() -> None:
    tracked = [file for folder in ("apps", "config", "infrastructure") for file in (ROOT / folder).rglob("*.py")]
    assert tracked
    assert [file for file in tracked if "layerline: allow" in file.read_text(encoding="utf-8")] == []
    assert "--baseline" not in (ROOT / "layerline" / "gate.py").read_text(encoding="utf-8")
