"""TCP ports on the loopback interface."""

import random
import socket
from typing import Final

import psutil

from layerline.devstack.errors import DevstackError

HOST: Final = "127.0.0.1"
ALL: Final = range(1, 65_536)
# Below the ports that systems give to outgoing connections, one of which could sit on ours between two starts.
_RANGE: Final = range(20_000, 30_000)


def is_free(port: int) -> bool:
    """Tell whether a server could listen on the port."""
    with socket.socket() as probe:
        # Connections that linger after a close hinder no server, and must not hinder this one.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen()
        except OSError:
            return False
    return True


def pick(preferred: int | None) -> int:
    """Return the preferred port if it is free, or another that is.

    Raises:
        DevstackError: If none is.
    """
    if preferred is not None and is_free(preferred):
        return preferred
    for port in random.sample(_RANGE, 200):
        if is_free(port):
            return port
    raise DevstackError(f"No port from {_RANGE.start} to {_RANGE.stop} is free on {HOST}; end what holds them.")


def holder(port: int) -> str | None:
    """Return the process that listens on the port as "pid 123 (name)", or None if it cannot be seen."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return None
    for connection in connections:
        address = connection.laddr
        if connection.status == psutil.CONN_LISTEN and address and address.port == port and connection.pid:
            try:
                return f"pid {connection.pid} ({psutil.Process(connection.pid).name()})"
            except psutil.Error:
                return f"pid {connection.pid}"
    return None
