"""What each benchmark asks of the embedded PostgreSQL and Valkey."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
import redis
from psycopg import sql


@contextmanager
def services(account: str) -> Iterator[dict[str, str]]:
    """Give a database and a Redis account of their own: production refuses those of the embedded services' owner.

    Args:
        account: The name of both, and what each key in Redis begins with that is deleted at the end.
    """
    password = secrets.token_urlsafe(24)
    database, cache = urlsplit(os.environ["DATABASE_URL"]), urlsplit(os.environ["REDIS_URL"])
    name = sql.Identifier(account)
    drop = (sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)"), sql.SQL("DROP ROLE IF EXISTS {}"))
    make = (sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}"), sql.SQL("CREATE DATABASE {} OWNER {}"))
    with (
        psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection,
        redis.Redis.from_url(os.environ["REDIS_URL"]) as client,
    ):
        for statement in drop:
            connection.execute(statement.format(name))
        connection.execute(make[0].format(name, sql.Literal(password)))
        connection.execute(make[1].format(name, name))
        client.execute_command("ACL", "SETUSER", account, "on", f">{password}", "~*", "&*", "+@all")
        try:
            yield {
                "DATABASE_URL": f"postgres://{account}:{password}@{database.hostname}:{database.port}/{account}",
                "REDIS_URL": f"redis://{account}:{password}@{cache.hostname}:{cache.port}{cache.path}",
            }
        finally:
            for statement in drop:
                connection.execute(statement.format(name))
            client.execute_command("ACL", "DELUSER", account)
            for key in client.scan_iter(match=f"{account}*", count=1_000):
                client.delete(key)
