"""The gate: what passes it, and that nothing passes by not being looked at."""

import os
from pathlib import Path

import pytest

from layerline import gate

# pip-audit's own words, and the exit codes that go with them.
_CLEAN = ("No known vulnerabilities found", 0)
_VULNERABLE = (
    "Found 1 known vulnerability in 1 package\nName Version ID Fix Versions\ndjango 5.2.1 PYSEC-2025-1 5.2.2",
    1,
)
_SKIPPED = ("ERROR:pip_audit._cli:amqp: Dependency not found on PyPI and could not be audited: amqp (5.4.2)", 1)
_OFFLINE = (
    "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='pypi.org', port=443): Max retries exceeded",
    1,
)


@pytest.fixture
def audited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose `pip_audit` stands before the installed one, and writes down what it was asked."""
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    monkeypatch.setenv("PYTHONPATH", path)
    return tmp_path


def answer(folder: Path, said: tuple[str, int]) -> None:
    text, code = said
    program = (
        f"import sys\nfrom pathlib import Path\nPath({str(folder / 'asked')!r}).write_text(' '.join(sys.argv[1:]))\n"
    )
    (folder / "pip_audit.py").write_text(f"{program}print({text!r})\nsys.exit({code})\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("said", "verdict", "shown"),
    [
        (_CLEAN, True, "ok"),
        (_VULNERABLE, False, "FAILED"),
        (_SKIPPED, None, "NOT RUN"),
        (_OFFLINE, None, "NOT RUN"),
    ],
    ids=["clean", "vulnerable", "skipped", "offline"],
)
def test_only_an_audit_of_every_package_is_ok(
    audited: Path,
    capsys: pytest.CaptureFixture[str],
    said: tuple[str, int],
    verdict: bool | None,  # noqa: FBT001  # a value of the table
    shown: str,
) -> None:
    answer(audited, said)

    assert gate.audit() is verdict

    output = capsys.readouterr().out
    assert shown in output
    assert said is _CLEAN or said[0].splitlines()[-1] in output


def test_an_audit_fails_on_a_package_that_it_would_have_to_skip(audited: Path) -> None:
    answer(audited, _CLEAN)

    gate.audit()

    asked = (audited / "asked").read_text(encoding="utf-8").split()
    assert {"--strict", "--require-hashes", "-r", "requirements/production.txt"} <= set(asked)


@pytest.mark.parametrize(("code", "passed"), [(0, True), (1, False), (2, False)])
def test_a_check_passes_if_its_program_does_and_shows_its_words_only_if_not(
    capsys: pytest.CaptureFixture[str],
    code: int,
    passed: bool,  # noqa: FBT001  # a value of the table
) -> None:
    check = gate.Check("shoes", ["sh", "-c", f"echo tied; exit {code}"], "tie them")

    assert gate.run(check) is passed

    output = capsys.readouterr().out
    assert output.startswith("  shoes             ok " if passed else "  shoes             FAILED ")
    assert ("    tied" in output, "To mend it: tie them." in output) == (not passed, not passed)


def test_production_is_checked_with_secrets_that_it_accepts_and_that_are_never_the_same() -> None:
    first, second = gate.production_environment(), gate.production_environment()

    secret = {"SECRET_KEY", "JWT_SECRET", "FIELD_ENCRYPTION_KEYS"}
    assert all(first[name] != second[name] for name in secret)
    assert first.keys() == second.keys()
