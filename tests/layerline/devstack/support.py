"""A small project that the commands run on, and ways to look at what they did."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import redis

from layerline.devstack.postgres import Postgres
from layerline.devstack.state import State
from layerline.devstack.valkey import Valkey

_SERVERS = frozenset({"postgres", "valkey-server"})
_REPOSITORY = Path(__file__).resolve().parents[3]
_PROGRAM = """
import sys
sys.path.insert(1, {repository!r})
from pathlib import Path
from layerline.devstack.commands import main
sys.exit(main(sys.argv[1:], root=Path({root!r})))
"""
_FILES = {
    "manage.py": """
import sys
from pathlib import Path
if Path("broken-migration").exists():
    sys.exit("no such column: shoe_size")
print("manage", *sys.argv[1:])
""",
    "config/__init__.py": "",
    "config/asgi.py": """
import os
async def application(scope, receive, send):
    if scope["type"] != "http":
        return
    body = os.environ["DATABASE_URL"] + " " + os.environ["REDIS_URL"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body.encode()})
""",
    "infrastructure/__init__.py": "",
    "infrastructure/realtime/__init__.py": "",
    "infrastructure/realtime/protocol.py": """
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol as FrameProtocol
""",
    # Stands in front of the installed one, in the project's folder: starting the real worker takes seconds.
    "celery/__init__.py": "",
    "celery/__main__.py": """
import sys, time
from pathlib import Path
role = "worker" if "worker" in sys.argv else "beat"
if Path(f"broken-{role}").exists():
    sys.exit(f"{role} cannot start: no such module")
print(role, "ready", flush=True)
time.sleep(600)
""",
}


class Project:
    """A folder that is run as the project."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = State(root)
        self.postgres = Postgres(self.state)
        self.valkey = Valkey(self.state)
        self._started: list[subprocess.Popen[str]] = []

    def write_sources(self) -> None:
        """Put a program in the place of each that a run starts."""
        for name, text in _FILES.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def start(
        self, *arguments: str, prefix: Sequence[str] = (), environment: dict[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start a command of the stack; it has a process group of its own, as in a terminal."""
        program = _PROGRAM.format(repository=str(_REPOSITORY), root=str(self.root))
        inherited = {
            k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "REDIS_URL", "BROKER_URL", "PORT"}
        }
        process = subprocess.Popen(
            [*prefix, sys.executable, "-c", program, *arguments],
            cwd=self.root,
            env={**inherited, "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def command(
        self,
        *arguments: str,
        prefix: Sequence[str] = (),
        environment: dict[str, str] | None = None,
        expected: int = 0,
    ) -> str:
        """Run a command of the stack to its end; return what it said."""
        process = self.start(*arguments, prefix=prefix, environment=environment)
        output, _ = process.communicate(timeout=50)
        assert process.returncode == expected, output
        return output

    def hold(self) -> subprocess.Popen[str]:
        """Start a command that uses the services until its standard output is closed by killing it."""
        process = self.start("exec", "sh", "-c", "echo up; exec sleep 600")
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n", process.stdout.read()
        return process

    def sql(self, query: str) -> str:
        """Return the first value of the query's answer."""
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            cursor = connection.execute(query.encode())
            row = cursor.fetchone() if cursor.description else None
            return str(row[0]) if row else ""

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.valkey.url, decode_responses=True)

    def server_pids(self) -> dict[str, int]:
        """Return the main processes of the services that run."""
        found = {}
        for name, file in (("postgres", "postgres/postmaster.pid"), ("valkey", "valkey/valkey.pid")):
            with suppress(OSError, ValueError):
                pid = int((self.state.folder / file).read_text(encoding="utf-8").splitlines()[0])
                if is_alive(pid):
                    found[name] = pid
        return found

    def kill_all(self) -> None:
        for process in self._started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until[T](condition: Callable[[], T], *, seconds: float = 20) -> T:
    """Return the condition's first true value.

    Raises:
        AssertionError: If it was false all the time.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s")


def processes_below(folder: Path) -> list[psutil.Process]:
    """Return the live processes whose working directory lies in the folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(folder.resolve()):
                found.append(process)
    return found


def end_servers_below(folder: Path) -> None:
    """Kill what a test left running."""
    for process in processes_below(folder):
        with suppress(psutil.Error):
            process.kill()
