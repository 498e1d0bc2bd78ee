from pathlib import Path

import pytest

from tests.layerline.contract.planted import ALL
from tests.layerline.contract.support import expected_lines, findings_in


@pytest.mark.parametrize(("path", "code", "rule"), [case[1:] for case in ALL], ids=[case[0] for case in ALL])
def test_finds_the_planted_violation_there_and_nothing_else(tmp_path: Path, path: str, code: str, rule: str) -> None:
    found = findings_in(tmp_path, {path: code})
    assert [(finding.path, finding.line, finding.rule) for finding in found] == [
        (path, line, rule) for line in expected_lines(code)
    ]
    assert expected_lines(code)
    assert all(finding.mend and finding.what for finding in found)
