"""What `make_keys` prints is what production takes."""

from collections.abc import Mapping
from pathlib import Path

import environ

from tests.config.support import PRODUCTION, environment, manage, start_production


def _made(*arguments: str, variables: Mapping[str, str]) -> str:
    made = manage("make_keys", *arguments, settings="config.settings.production", variables=variables)
    assert made.returncode == 0, made.stderr
    return made.stdout


def _read(lines: str, path: Path) -> dict[str, str]:
    """Return the variables of the lines, as a `.env` file that holds them gives them."""
    path.write_text(lines, encoding="utf-8")
    variables: dict[str, str] = {}
    environ.Env.ENVIRON, ambient = variables, environ.Env.ENVIRON
    try:
        environ.Env.read_env(path)
    finally:
        environ.Env.ENVIRON = ambient
    return variables


def test_production_starts_with_what_is_printed(tmp_path: Path) -> None:
    first = environment({**_read(_made("--first", variables=PRODUCTION), tmp_path / "first")})
    # From one secret to several keys, and from those to the next.
    second = environment({**first, "JWT_SECRET": None, **_read(_made(variables=first), tmp_path / "second")})
    third = environment({**second, "JWT_SECRET": None, **_read(_made("--wait", variables=second), tmp_path / "third")})

    assert start_production([first, second, third]) == [(None, None)] * 3
    assert first["JWT_SECRET"] in second["JWT_KEYS"]
    assert {**PRODUCTION, **first}.keys() == PRODUCTION.keys()
