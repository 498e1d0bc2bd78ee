from pathlib import Path
from typing import Final

import pytest

from layerline.contract.catalogue import RULES
from layerline.contract.checker import check
from layerline.contract.explain import Example, examples, page
from layerline.contract.rule import Rule
from tests.layerline.contract.support import CONFIGURATION, plant

ROOT: Final = Path(__file__).parents[3]


def test_docs_are_what_the_rules_say() -> None:
    assert (ROOT / "docs" / "contract.md").read_text(encoding="utf-8") == page(), (
        "python -m layerline.contract --explain > docs/contract.md"
    )


def test_each_rule_has_a_name_of_its_own() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("kind", ["BAD", "GOOD"])
def test_a_rule_finds_something_in_its_bad_example_and_nothing_in_its_good_one(
    tmp_path: Path, rule: Rule, kind: str
) -> None:
    example = _only(rule, kind)
    given = {context.path: context.code for context in examples(rule) if context.kind == "GIVEN"}
    # A folder without `__init__.py` is what one of them is about.
    plant(tmp_path, {"pyproject.toml": CONFIGURATION, **given, example.path: example.code})
    assert {finding.rule for finding in check(tmp_path)} == ({rule.name} if kind == "BAD" else set())


def _only(rule: Rule, kind: str) -> Example:
    (example,) = (example for example in examples(rule) if example.kind == kind)
    return example
