from pathlib import Path

import pytest

from tests.layerline.contract.innocents import ALL
from tests.layerline.contract.support import findings_in


@pytest.mark.parametrize(("path", "code"), [case[1:] for case in ALL], ids=[case[0] for case in ALL])
def test_finds_nothing_in_the_innocent(tmp_path: Path, path: str, code: str) -> None:
    assert findings_in(tmp_path, {path: code}) == []
