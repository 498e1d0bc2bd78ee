"""Who takes part, each as its own documentation sets it up, with two workers."""

import hashlib
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
BENCH: Final = ROOT / ".dev" / "bench"
PEERS: Final = Path(__file__).parent / "peers"
_ENVIRONMENT: Final = BENCH / "peers"
# Beside the packages of the project, which does not need it.
_GRANIAN: Final = BENCH / "granian"
_PYTHON: Final = str(_ENVIRONMENT / "bin" / "python")
WORKERS: Final = 2
THREADS: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class Contestant:
    """A server under test.

    Args:
        title: What tables call it.
        command: What starts it on a port.
        folder: Where.
        paths: The path of each route that it has.
        environment: Variables besides those of the database and of Redis.
    """

    title: str
    command: Callable[[int], list[str]]
    folder: Path
    paths: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def short(self) -> str:
        return self.title.partition(",")[0]

    @property
    def is_ours(self) -> bool:
        return self.folder == ROOT


def _paths(prefix: str) -> dict[str, str]:
    return {
        "me": f"{prefix}/me/",
        "users": f"{prefix}/users/?is_active=true&ordering=-created_at&page=2",
        "login": f"{prefix}/login/",
    }


def _gunicorn(python: str, application: str) -> Callable[[int], list[str]]:
    return lambda port: [
        *(python, "-m", "gunicorn", application, "--bind", f"127.0.0.1:{port}", f"--workers={WORKERS}"),
        *("--worker-class=gthread", f"--threads={THREADS}", "--preload", "--no-control-socket", "--log-level=error"),
    ]


def _granian(python: str, application: str) -> Callable[[int], list[str]]:
    return lambda port: [
        *(python, "-m", "granian", "--interface", "wsgi", application, "--host", "127.0.0.1", "--port", str(port)),
        *(f"--workers={WORKERS}", f"--blocking-threads={THREADS}", "--no-access-log", "--log-level", "error"),
    ]


def _uvicorn(application: str) -> Callable[[int], list[str]]:
    return lambda port: [
        *(_PYTHON, "-m", "uvicorn", application, "--host", "127.0.0.1", "--port", str(port)),
        *(f"--workers={WORKERS}", "--no-access-log", "--log-level=error"),
    ]


_OUR_PATHS: Final = _paths("/api/v1/auth") | {
    "users": "/api/v1/users/?is_active=true&ordering=-created_at&page=2",
}
OURS: Final = Contestant("Layerline, gunicorn", _gunicorn(sys.executable, "config.wsgi"), ROOT, _OUR_PATHS)
OURS_GRANIAN: Final = Contestant(
    "Layerline, granian",
    _granian(sys.executable, "config.wsgi:application"),
    ROOT,
    _OUR_PATHS,
    {"PYTHONPATH": str(_GRANIAN)},
)
STOCK: Final = Contestant("DRF + SimpleJWT, gunicorn", _gunicorn(_PYTHON, "wsgi"), PEERS, _paths("/api/drf"))
NINJA: Final = Contestant("django-ninja, granian", _granian(_PYTHON, "wsgi:application"), PEERS, _paths("/api/ninja"))
FAST: Final = Contestant("FastAPI, pool of 20, uvicorn", _uvicorn("fast:app"), PEERS, _paths("/api/fast"))
FAST_LIMITED: Final = Contestant(
    "FastAPI, pool of 20, limits in Redis, uvicorn", FAST.command, PEERS, FAST.paths, {"LIMITS": "1"}
)
FAST_REDIS: Final = Contestant(
    "FastAPI, user and limits in Redis, uvicorn", FAST.command, PEERS, FAST.paths, {"USER_FROM": "redis", "LIMITS": "1"}
)
# No documentation shows this; it is what somebody could make of it by hand.
FAST_PIPELINED: Final = Contestant(
    "FastAPI, both in one pipeline, uvicorn", FAST.command, PEERS, FAST.paths, {"USER_FROM": "pipeline"}
)


def install_peers() -> None:
    """Make the peers' environment under .dev/bench, unless it is there.

    Raises:
        SystemExit: If a package cannot be had.
    """
    requirements = PEERS / "requirements.txt"
    mark = _ENVIRONMENT / "installed"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if mark.exists() and mark.read_text(encoding="ascii") == wanted:
        return
    print("Installing the peers …", flush=True)
    uv = [sys.executable, "-m", "uv"]
    make = [*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(_ENVIRONMENT)]
    install = [*uv, "pip", "install", "--quiet", "--python", _PYTHON, "--require-hashes", "-r", str(requirements)]
    granian = re.search(r"^granian==\S+", requirements.read_text(encoding="utf-8"), re.MULTILINE)
    beside = [*uv, "pip", "install", "--quiet", "--target", str(_GRANIAN), granian[0] if granian else "granian"]
    for command in (make, install, beside):
        result = subprocess.run(command, check=False, capture_output=True, text=True)
        if result.returncode:
            raise SystemExit(f"The peers cannot be installed, so there is nothing to compare with.\n{result.stderr}")
    mark.write_text(wanted, encoding="ascii")
