import subprocess
import sys
from pathlib import Path

from django.conf import settings

_TESTS = """
import pytest
from layerline.flow import stack

@pytest.fixture
def breach():
    with stack.own_transactions():
        stack.transaction_opened()
        stack.side_effect("a mail")

def test_innocent(): pass
def test_guilty(breach): pass

@pytest.mark.layers_off("tries the plugin")
def test_excused(breach): pass

@pytest.mark.layers_off
def test_without_a_reason(breach): pass
"""
_OPTIONS = ("-p", "no:randomly", "-p", "no:cacheprovider", "-rA")


def run(folder: Path, tests: str, *options: str) -> str:
    (folder / "conftest.py").write_text('pytest_plugins = ("layerline.flow.plugin",)')
    (folder / "test_it.py").write_text(tests)
    root = str(settings.PROJECT_ROOT)
    command = [sys.executable, "-m", "pytest", "-c", f"{root}/pyproject.toml", "--rootdir", str(folder), str(folder)]
    done = subprocess.run(
        [*command, *_OPTIONS, *options], cwd=root, capture_output=True, text=True, check=False, timeout=50
    )
    return done.stdout + done.stderr


def test_a_test_that_breaks_the_contract_fails_unless_it_says_why(tmp_path: Path) -> None:
    output = run(tmp_path, _TESTS)

    verdicts = {line.split("::")[1].split(" ")[0]: line.split(" ")[0] for line in output.splitlines() if "::" in line}
    assert verdicts == {
        "test_innocent": "PASSED",
        "test_guilty": "FAILED",
        "test_excused": "PASSED",
        "test_without_a_reason": "ERROR",
    }, output
    assert "side-effect-in-transaction: a mail leaves inside an open transaction" in output
    assert "layers_off needs a reason" in output


def test_the_guard_can_be_left_out_of_a_run(tmp_path: Path) -> None:
    tests = "from layerline.flow import instrument\ndef test_nothing(): assert instrument.wrapped() == 0"

    assert "1 passed" in run(tmp_path, tests, "--layers-off")
