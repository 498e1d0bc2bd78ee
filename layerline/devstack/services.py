"""Which services the project needs, which of them are embedded, and who uses them."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from layerline.devstack.postgres import Postgres
from layerline.devstack.state import State
from layerline.devstack.valkey import Valkey

KINDS: Final[dict[str, type[Postgres | Valkey]]] = {"DATABASE_URL": Postgres, "REDIS_URL": Valkey}
_WAY_OUT: Final = (
    "The embedded services keep their data there: make it writable, "
    "or set DATABASE_URL and REDIS_URL to servers of your own."
)


@dataclass(frozen=True)
class Lease:
    """The right to use the services, which keeps them up.

    Arguments:
        addresses: The variables that lead to the embedded services.
        descriptor: What a child inherits to keep the services up as long as it lives; None if none is embedded.
    """

    addresses: dict[str, str]
    descriptor: int | None


class Services:
    """The services that the environment does not name."""

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self.state = State(root)
        self.servers: dict[str, Postgres | Valkey] = {
            variable: kind(self.state)
            for variable, kind in KINDS.items()
            if not (environment.get(variable) or environment.get(f"{variable}_FILE"))
        }

    @contextmanager
    def used(self) -> Iterator[Lease]:
        """Keep the services up until the end of the block; the last of all users stops them.

        Raises:
            DevstackError: If one cannot be started.
        """
        if not self.servers:
            yield Lease({}, None)
            return
        self.state.prepare(_WAY_OUT)
        descriptor = None
        try:
            with self.state.lock():
                descriptor = self.state.join()
                addresses = self._ensure()
            yield Lease(addresses, descriptor)
        finally:
            with self.state.lock():
                if descriptor is not None:
                    os.close(descriptor)
                if not self.state.is_used():
                    self._stop()

    def are_running(self) -> bool:
        """Tell whether every embedded service's process is alive."""
        return all(server.is_running() for server in self.servers.values())

    def ensure(self) -> dict[str, str]:
        """Start what does not run; return the variables that lead to the services.

        Raises:
            DevstackError: If one cannot be started.
        """
        with self.state.lock():
            return self._ensure()

    def stop(self) -> None:
        """Stop the services, whoever uses them."""
        with self.state.lock():
            self._stop()

    def _ensure(self) -> dict[str, str]:
        addresses = {}
        for variable, server in self.servers.items():
            server.ensure()
            addresses[variable] = server.url
        return addresses

    def _stop(self) -> None:
        for server in reversed(self.servers.values()):
            server.stop()
