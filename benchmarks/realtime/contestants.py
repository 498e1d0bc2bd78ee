"""Who takes part: one server process each, set up as its own documentation does."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
BENCH: Final = ROOT / ".dev" / "bench"
_PEERS: Final = Path(__file__).parent / "peers"
_PYTHON: Final = BENCH / "realtime-python"
_NODE: Final = BENCH / "realtime-node"
_HERE: Final = "benchmarks.realtime"
_SOCKET_IO: Final = "/socket.io/?EIO=4&transport=websocket"


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server under test, and how something is said in its room.

    Args:
        name: In JSON and on the command line.
        title: In tables.
        command: What starts it on a port.
        sender: What says each line of its input, from another process.
        environment: Variables besides REDIS_URL and PREFIX.
        path: Where its room is.
        engine: `websocket`, or `socket.io` for its packets in it.
    """

    name: str
    title: str
    command: Callable[[int], list[str]]
    sender: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    path: str = "/"
    engine: str = "websocket"

    @property
    def is_ours(self) -> bool:
        return self.name.startswith("ours")

    @property
    def is_nodes(self) -> bool:
        return self.command(0)[0] == "node"


def _uvicorn(application: str, *options: str) -> Callable[[int], list[str]]:
    return lambda port: [
        *(sys.executable, "-m", "uvicorn", application, "--host=127.0.0.1", f"--port={port}"),
        *("--no-access-log", "--log-level=error", *options),
    ]


def _node(script: str) -> Callable[[int], list[str]]:
    return lambda port: ["node", str(_NODE / script), str(port)]


def _python(module: str) -> list[str]:
    return [sys.executable, "-m", f"{_HERE}.{module}"]


_ROOM: Final = f"{_HERE}.room:application"
_CHANNELS: Final = _uvicorn(f"{_HERE}.peers.channels_room:application")
_TICKET: Final = "/?ticket=any"
CONTESTANTS: Final = (
    Contestant(
        name="ours-frames",
        title="Layerline, frame made once",
        command=_uvicorn(_ROOM, "--ws=infrastructure.realtime.protocol:FrameProtocol", "--no-proxy-headers"),
        sender=_python("push_sender"),
        path=_TICKET,
    ),
    Contestant(
        name="ours-texts",
        title="Layerline, text made once, plain uvicorn",
        command=_uvicorn(_ROOM, "--ws-per-message-deflate=false", "--no-proxy-headers"),
        sender=_python("push_sender"),
        path=_TICKET,
    ),
    Contestant(
        name="channels-core",
        title="Channels, channels_redis.core, uvicorn",
        command=_CHANNELS,
        sender=_python("peers.channels_sender"),
        environment={"LAYER": "channels_redis.core.RedisChannelLayer"},
    ),
    Contestant(
        name="channels-pubsub",
        title="Channels, channels_redis.pubsub, uvicorn",
        command=_CHANNELS,
        sender=_python("peers.channels_sender"),
        environment={"LAYER": "channels_redis.pubsub.RedisPubSubChannelLayer"},
    ),
    Contestant(
        name="starlette",
        title="Starlette, one subscription, uvicorn",
        command=_uvicorn(f"{_HERE}.peers.starlette_room:application"),
        sender=_python("peers.redis_sender"),
        environment={"PYTHONPATH": str(_PYTHON)},
    ),
    Contestant(
        name="socket-io",
        title="socket.io with its Redis adapter, node",
        command=_node("socketio.mjs"),
        sender=["node", str(_NODE / "socketio_sender.mjs")],
        path=_SOCKET_IO,
        engine="socket.io",
    ),
    Contestant(
        name="node-ws",
        title="ws and one subscription, node",
        command=_node("ws.mjs"),
        sender=_python("peers.redis_sender"),
    ),
)


def installed(names: list[str]) -> list[Contestant]:
    """Return the contestants of these names, having installed under .dev/bench what they need and is not there.

    Those of node are left out where there is no node, and it is said.

    Raises:
        SystemExit: If a package cannot be had.
    """
    chosen = [one for one in CONTESTANTS if not names or one.name in names]
    if any(one.is_nodes for one in chosen) and not (shutil.which("node") and shutil.which("npm")):
        print("Left out, for node and npm are not here: " + ", ".join(one.title for one in chosen if one.is_nodes))
        chosen = [one for one in chosen if not one.is_nodes]
    if any(one.is_nodes for one in chosen):
        _NODE.mkdir(parents=True, exist_ok=True)
        shutil.copytree(_PEERS / "node", _NODE, dirs_exist_ok=True)
        _install(_NODE, _NODE / "package-lock.json", ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"])
    if any(one.name == "starlette" for one in chosen):
        requirements = _PEERS / "requirements.txt"
        target = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", str(_PYTHON)]
        _install(_PYTHON, requirements, [*target, "--require-hashes", "-r", str(requirements)])
    return chosen


def _install(folder: Path, wanted: Path, command: list[str]) -> None:
    mark = folder / "installed"
    digest = hashlib.sha256(wanted.read_bytes()).hexdigest()
    if mark.exists() and mark.read_text(encoding="ascii") == digest:
        return
    print(f"Installing {folder.name} …", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    result = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    if result.returncode:
        raise SystemExit(f"It cannot be installed; --only names contestants that need nothing.\n{result.stderr}")
    mark.write_text(digest, encoding="ascii")
