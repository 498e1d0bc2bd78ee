"""The gate behind `make check`: every check in readable order, each with its time, and its output only if it fails."""

import base64
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
_PYTHON: Final = sys.executable
_MANAGE: Final = (_PYTHON, "manage.py")
_REQUIREMENTS: Final = {"base": (), "production": ("production",), "development": ("development", "production")}
# What pip-audit says of the first package where the advisories themselves cannot be reached.
_NO_ADVISORIES: Final = ("could not be audited", "Connection", "Max retries", "Temporary failure")


@dataclass(frozen=True, slots=True)
class Check:
    """One check: a command that fails if something is wrong.

    Args:
        name: What it looks at.
        command: The program and its arguments.
        mend: What to do if it fails.
        environment: Variables besides those of the caller.
    """

    name: str
    command: Sequence[str]
    mend: str
    environment: Mapping[str, str] = field(default_factory=dict)


def production_environment() -> dict[str, str]:
    """Return variables that production accepts, with secrets made on the spot."""
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings.production",
        "DATABASE_URL": "postgres://backend:password@db.internal/backend",
        "REDIS_URL": "redis://:password@redis.internal/0",
        "BROKER_URL": "",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "JWT_SECRET": secrets.token_urlsafe(48),
        "FIELD_ENCRYPTION_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "ALLOWED_HOSTS": "api.internal",
        "APP_URL": "https://app.internal",
        "EMAIL_URL": "smtp+tls://user:password@smtp.internal:587",
        "DEFAULT_FROM_EMAIL": "Backend <no-reply@api.internal>",
    }


def checks() -> list[Check]:
    """Return all checks but the requirements' own, from the quickest to the slowest."""
    testing = {"DJANGO_SETTINGS_MODULE": "config.settings.test"}
    return [
        Check("format", [_PYTHON, "-m", "ruff", "format", "--check", "--quiet", "."], "`make format`"),
        Check("lint", [_PYTHON, "-m", "ruff", "check", "--quiet", "."], "`make format` mends what it safely can"),
        Check(
            "contract",
            [_PYTHON, "-m", "layerline.contract"],
            "`python -m layerline.contract --explain RULE` tells why; directions stand in pyproject.toml",
        ),
        Check("types", [_PYTHON, "-m", "mypy", "."], "each message names its error code", testing),
        Check(
            "migrations",
            [*_MANAGE, "makemigrations", "--check", "--dry-run"],
            '`make manage ARGS="makemigrations"`',
            testing,
        ),
        Check(
            "old code",
            [*_MANAGE, "lintmigrations", "--quiet", "ok", "ignore", "warning"],
            "docs/operations.md tells how a change is spread over releases that the one before can live with",
            testing,
        ),
        Check(
            "deployment",
            [*_MANAGE, "check", "--deploy", "--fail-level", "WARNING"],
            "each message names the setting",
            production_environment(),
        ),
        Check(
            "openapi",
            [*_MANAGE, "spectacular", "--validate", "--fail-on-warn", "--file", os.devnull],
            "each warning names the view",
            testing,
        ),
        Check(
            "asyncapi",
            [*_MANAGE, "document_sockets", "--check", "--schema", "tests/asyncapi/asyncapi-3.0.0.json"],
            '`make manage ARGS="document_sockets"` writes docs/frames.md; other messages name the frame',
            testing,
        ),
        Check(
            "flows",
            [*_MANAGE, "document_flows", "--check"],
            "`make flows`, and commit what it changes if the code was meant to change",
            {"DJANGO_SETTINGS_MODULE": "config.settings.flows"},
        ),
    ]


def run(check: Check) -> bool:
    """Run one check and print a line about it; return whether it passed."""
    print(f"  {check.name:<18}", end="", flush=True)
    started = monotonic()
    result = _call(check.command, check.environment)
    print(f"{'ok' if result.returncode == 0 else 'FAILED':<8}{monotonic() - started:5.1f} s", flush=True)
    if result.returncode != 0:
        print(f"\n{_indented(result.stdout)}\n    To mend it: {check.mend}.\n", flush=True)
    return result.returncode == 0


def requirements_are_in_step() -> bool:
    """Compile the requirements anew, keeping their pins, and compare them with what is committed."""
    with tempfile.TemporaryDirectory() as folder:
        copies = {name: Path(folder, f"{name}.txt") for name in _REQUIREMENTS}
        for name, copy in copies.items():
            shutil.copy(ROOT / "requirements" / f"{name}.txt", copy)
        return all(
            run(Check(f"{name}.txt", _compare(name, copies), "`make requirements`, and commit what it changes"))
            for name in _REQUIREMENTS
        )


def _compare(name: str, copies: Mapping[str, Path]) -> list[str]:
    compile_ = [_PYTHON, "-m", "uv", "pip", "compile", "--quiet", "pyproject.toml", "--universal"]
    compile_ += ["--python-version", "3.12", "--generate-hashes", "--output-file", str(copies[name])]
    compile_ += [argument for extra in _REQUIREMENTS[name] for argument in ("--extra", extra)]
    if name != "base":
        compile_ += ["--constraint", "requirements/base.txt"]
    code = (
        "import pathlib, subprocess, sys; "
        f"compiled = subprocess.run({compile_!r}).returncode; "
        f"sys.exit(compiled or pathlib.Path({str(copies[name])!r}).read_bytes() "
        f"!= pathlib.Path('requirements/{name}.txt').read_bytes())"
    )
    return [_PYTHON, "-c", code]


def audit() -> bool | None:
    """Look the production requirements up among the known vulnerabilities.

    Returns:
        Whether all were looked up and none is known to be vulnerable; None if no advisories can be reached from here.
    """
    print(f"  {'audit':<18}", end="", flush=True)
    started = monotonic()
    command = ["-m", "pip_audit", "--strict", "--require-hashes", "--disable-pip", "-r", "requirements/production.txt"]
    result = _call([_PYTHON, *command], {})
    unreachable = result.returncode != 0 and any(sign in result.stdout for sign in _NO_ADVISORIES)
    verdict = "NOT RUN" if unreachable else "FAILED" if result.returncode else "ok"
    print(f"{verdict:<8}{monotonic() - started:5.1f} s", flush=True)
    if result.returncode:
        # What cannot be reached is told in its last line; what is vulnerable takes a table.
        said = result.stdout.strip().splitlines()[-1][:200] if unreachable else result.stdout
        print(f"\n{_indented(said)}\n", flush=True)
    return None if unreachable else result.returncode == 0


def _call(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "UV_CUSTOM_COMPILE_COMMAND": "make requirements", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _indented(output: str) -> str:
    return "\n".join(f"    {line}" for line in output.rstrip().splitlines())


def main() -> int:
    """Run every check, also after a failure, and return the exit code.

    An audit that could not run is no failure, since no change of the code can mend it, unless AUDIT=required says so.
    """
    print("make check", flush=True)
    passed = [run(check) for check in checks()]
    passed.append(requirements_are_in_step())
    audited = audit()
    failed = not all(passed) or audited is False
    if audited is None:
        print("  The requirements were NOT audited: no advisories can be reached from this machine.")
        failed = failed or os.environ.get("AUDIT") == "required"
    print("\nSomething failed; see above." if failed else "\nEverything holds.")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
