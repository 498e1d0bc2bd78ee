"""Django's backend for PostgreSQL, with a pool that gets over a restart of the server at once."""

from select import POLLIN, poll
from typing import Any

from django.db.backends.postgresql import base
from psycopg import OperationalError
from psycopg_pool import ConnectionPool


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection out of the pool that is alive.

    A restart of the server leaves every connection of the pool dead. The pool's own check takes one after the other
    and waits ever longer in between: with ten of them the first requests waited for nothing and were answered 503.
    Here the first dead one has all the others looked at.
    """

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Return a connection that the server has not ended, or else a new one."""
        connection = super().get_new_connection(conn_params)
        if self.pool is None or _is_alive(connection):
            return connection
        self.pool.putconn(connection)
        self.pool.check()
        return super().get_new_connection(conn_params)


def _is_alive(connection: Any) -> bool:
    # A server that ends a connection says so, and of itself says nothing else to one that is idle. A round trip for
    # each request would cost more than most queries do.
    idle = poll()
    idle.register(connection.fileno(), POLLIN)
    if not idle.poll(0):
        return True
    try:
        ConnectionPool.check_connection(connection)
    except OperationalError:
        return False
    return True
