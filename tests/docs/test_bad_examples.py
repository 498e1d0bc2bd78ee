"""Bad examples of the documentation break the rules that they name, with the words that stand below them."""

import json
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from typing import Final

import pytest

from tests.docs.markdown import ROOT, Block, blocks, pages
from tests.layerline.contract.support import plant

_MARK: Final = re.compile(r"breaks (?P<rules>[\w/-]+(?:, [\w/-]+)*): (?P<path>\S+)")
_PACKAGES: Final = ("apps", "config", "infrastructure", "layerline")
# The slice of the examples, above all others; a real one of that name is left out of the copy.
_SLICE: Final = "billing"
_ORDER: Final = re.compile(r'(containers = \["apps"\]\nexhaustive = true\nlayers = \[)')
_GIVEN: Final = {
    "apps/billing/models.py": """
        from django.conf import settings
        from django.db import models

        from apps.common.models import BaseModel


        class Invoice(BaseModel):
            customer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
            number = models.CharField(max_length=32)
            paid = models.BooleanField(default=False)
    """
}

EXAMPLES: Final = [block for page in pages() for block in blocks(page) if block.mark.startswith("breaks ")]

type Findings = dict[str, list[dict[str, str]]]


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """What the checker says of the project with all examples planted into it, by the paths of their files."""
    root = tmp_path_factory.mktemp("project")
    for package in _PACKAGES:
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("tests", "__pycache__", _SLICE))
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8").replace(f'"{_SLICE}", ', "")
    settings, count = _ORDER.subn(rf'\1"{_SLICE}", ', settings)
    assert count == 1
    plant(root, {"tests/__init__.py": "", **_GIVEN, **{_path(example): example.code for example in EXAMPLES}})
    (root / "pyproject.toml").write_text(settings, encoding="utf-8")
    # In a process of its own: this one has the real packages imported.
    command = [sys.executable, "-m", "layerline.contract", "--format", "json"]
    checked = subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8", check=False)
    found: Findings = defaultdict(list)
    for finding in json.loads(checked.stdout):
        found[finding["path"]].append(finding)
    return found


def test_each_example_has_a_file_of_its_own() -> None:
    paths = [_path(example) for example in EXAMPLES]

    assert len(set(paths)) == len(paths) > 10


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.place)
def test_an_example_breaks_the_named_rules_and_no_other(example: Block, findings: Findings) -> None:
    match = _MARK.fullmatch(example.mark)

    assert match is not None
    assert {finding["rule"] for finding in findings[match["path"]]} == set(match["rules"].split(", "))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.place)
def test_the_words_below_an_example_are_the_checkers_own(example: Block, findings: Findings) -> None:
    said = "\n".join("{path}:{line}: {rule}: {what}; {mend}".format_map(each) for each in findings[_path(example)])

    # The page breaks long lines.
    assert example.following.split() == said.split()


def test_the_import_contracts_could_be_checked(findings: Findings) -> None:
    assert "pyproject.toml" not in findings


def _path(example: Block) -> str:
    return example.mark.rpartition(" ")[2]
