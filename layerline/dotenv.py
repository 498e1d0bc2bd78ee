"""Reads `.env`, and refuses a broken one instead of passing over its lines in silence."""

import re
from pathlib import Path
from typing import Final

import environ

_ASSIGNMENT: Final = re.compile(r"(?:export )?[A-Za-z_][A-Za-z0-9_]*=.*")


class DotenvError(ValueError):
    """A `.env` that cannot be used. The message names the line, never its text, which may hold a secret."""


def load(path: Path) -> None:
    """Put the assignments of the file into the environment; what is set already stays. No file is no error.

    Raises:
        DotenvError: If the file cannot be read, is not UTF-8, or holds a line that is no assignment.
    """
    try:
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    except OSError as error:
        raise DotenvError(f"{path.name} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise DotenvError(f"{path.name} is not UTF-8 text.") from None
    for number, line in enumerate(content.splitlines(), start=1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#") and not _ASSIGNMENT.fullmatch(line):
            raise DotenvError(f"{path.name}, line {number}: expected NAME=value or a # comment.")
    environ.Env.read_env(path)
