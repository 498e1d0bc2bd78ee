"""Each package is taken out in turn, and its test of docs/packages.md must fail."""

import os
import subprocess
import sys

import pytest

from tests.docs.markdown import ROOT
from tests.drills.scene import Figures
from tests.test_packages import MODULES, rows

_ROWS = {package: test for package, (_, test) in rows().items() if not test.startswith("make ")}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("package", _ROWS)
def test_without_it_its_test_fails(package: str, figures: Figures) -> None:
    """A package is taken out."""
    module = MODULES.get(package, package.replace("-", "_"))
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-n0"]
    environment = os.environ | {"WITHOUT": module, "PYTHONPATH": str(ROOT / "tests" / "drills" / "without")}
    told = subprocess.run(
        [*command, _ROWS[package]],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    figures["package"] = package
    figures["said"] = next((line for line in reversed(told.stdout.splitlines()) if line.strip()), "")[:80]
    assert told.returncode != 0, f"{_ROWS[package]} passes without {package}"
