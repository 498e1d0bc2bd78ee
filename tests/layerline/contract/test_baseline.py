import json
from pathlib import Path

import pytest

from layerline.contract.baseline import Baseline, BaselineError
from layerline.contract.findings import Finding


def _finding(path: str = "a.py", line: int = 1, rule: str = "orm-in-door") -> Finding:
    return Finding(path, line, rule, "what", "mend")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A baseline that knows two findings in a.py and one in b.py."""
    path = tmp_path / "baseline.json"
    Baseline(path).update([_finding(line=1), _finding(line=2), _finding("b.py", rule="re-export")])
    return path


def test_holds_counts_by_file_and_rule(file: Path) -> None:
    assert json.loads(file.read_text()) == {
        "version": 1,
        "files": {"a.py": {"orm-in-door": 2}, "b.py": {"re-export": 1}},
    }


def test_known_findings_pass_wherever_they_moved(file: Path) -> None:
    found = [_finding(line=70), _finding(line=80), _finding("b.py", rule="re-export")]
    assert Baseline(file).judge(found) == []


def test_one_more_finding_shows_all_of_its_file_and_rule(file: Path) -> None:
    found = [_finding(line=1), _finding(line=2), _finding(line=3), _finding("b.py", rule="re-export")]
    left = Baseline(file).judge(found)
    assert [(finding.line, finding.what) for finding in left] == [
        (line, "what (3 here, 2 known)") for line in (1, 2, 3)
    ]


def test_another_rule_in_a_known_file_is_new(file: Path) -> None:
    found = [_finding(line=1), _finding(line=2), _finding("b.py", rule="re-export"), _finding("b.py")]
    assert Baseline(file).judge(found) == [_finding("b.py")]


def test_an_entry_that_is_no_longer_needed_is_a_finding(file: Path) -> None:
    (stale,) = Baseline(file).judge([_finding(), _finding("b.py", rule="re-export")])
    assert (stale.path, stale.rule, stale.what) == (
        "baseline.json",
        "stale-baseline",
        "a.py has 1 findings of orm-in-door, not 2",
    )


def test_entries_elsewhere_are_left_alone_where_only_a_part_was_checked(file: Path) -> None:
    assert Baseline(file).judge([_finding("b.py", rule="re-export")], complete=False) == []


def test_an_update_shrinks_it(file: Path) -> None:
    assert Baseline(file).update([_finding()]) == 1
    assert json.loads(file.read_text())["files"] == {"a.py": {"orm-in-door": 1}}


@pytest.mark.parametrize("new", [_finding("c.py"), _finding(rule="re-export")], ids=["file", "rule"])
def test_an_update_refuses_to_add(file: Path, new: Finding) -> None:
    before = file.read_text()
    with pytest.raises(BaselineError, match="only shrinks"):
        Baseline(file).update([_finding(), new])
    assert file.read_text() == before


@pytest.mark.parametrize("text", ["", "[]", '{"files": {"a": 1}}', '{"files": {"a": {"b": "x"}}}'])
def test_refuses_what_is_no_baseline(tmp_path: Path, text: str) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(text)
    with pytest.raises(BaselineError, match="is no baseline"):
        Baseline(path)
