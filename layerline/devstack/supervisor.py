"""`make run`: the web server, the worker and beat, kept up together with the embedded services."""

import re
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from threading import Event, Thread
from types import FrameType
from typing import Final

import watchfiles

from layerline.devstack import ports
from layerline.devstack.child import Child
from layerline.devstack.errors import DevstackError
from layerline.devstack.output import Output
from layerline.devstack.services import Services

SOURCES: Final = ("apps", "config", "infrastructure", "layerline")
_BEAT: Final = 0.2
_STOP_PATIENCE: Final = 15.0
_WEB_PATIENCE: Final = 60.0
# A child that lives shorter than this died at once; after so many deaths in a row it will not get better by itself.
_AT_ONCE: Final = 10.0
_DEATHS: Final = 4
_PAGES: Final = (
    ("Home", "/"),
    ("API documentation", "/api/docs/"),
    ("Admin", "/admin/"),
    ("Flows", "/dev/flows/"),
    ("Mailbox", "/dev/mailbox/"),
    ("Health", "/health/ready/"),
)


class Stopped(Exception):  # noqa: N818  # no error: somebody asked for it
    """The person at the terminal, or the system, wants the run to end."""


class Supervisor:
    """Starts the programs of a run, starts them again when they die, and ends them."""

    def __init__(self, root: Path, services: Services, *, port: int, environment: Mapping[str, str]) -> None:
        self._root = root
        self._services = services
        self._port = port
        self._output = Output()
        self._stop = Event()
        self._hard = False
        self._changed = Event()
        self._environment = {
            **environment,
            "DJANGO_SETTINGS_MODULE": "config.settings.local",
            "PYTHONUNBUFFERED": "1",
            # A container's root is the usual user there; Celery's warning is for servers.
            "PYTHONWARNINGS": _with_silenced_root_warning(environment),
        }
        python = [sys.executable, "-m"]
        sources = [folder for folder in SOURCES if (root / folder).is_dir()]
        web = [*python, "uvicorn", "config.asgi:application", "--host", ports.HOST, "--port", str(port)]
        web += ["--no-proxy-headers", "--no-access-log", "--lifespan=off", "--timeout-graceful-shutdown=5", "--reload"]
        web += ["--ws=infrastructure.realtime.protocol:FrameProtocol"]
        web += ["--use-colors" if self._output.coloured else "--no-use-colors"]
        celery = [*python, "celery", "--quiet", "-A", "config.celery"]
        self._web = self._child("web", [*web, *(f"--reload-dir={folder}" for folder in sources)])
        self._background = [
            self._child("worker", [*celery, "worker", "--loglevel=INFO", "--without-mingle", "--without-gossip"]),
            self._child("beat", [*celery, "beat", "--loglevel=INFO"]),
        ]
        self._deaths: dict[str, int] = {}
        self._again_at: dict[str, float] = {}
        self._sources = sources

    def run(self, addresses: Mapping[str, str]) -> None:
        """Run until somebody asks for the end.

        Arguments:
            addresses: The variables that lead to the services.

        Raises:
            DevstackError: If a program does not come up or does not stay up.
        """
        self._environment |= addresses
        for which in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(which, self._ask)
        try:
            self._migrate()
            # One after the other: side by side they would take the processor from the one that somebody waits for.
            self._web.start(self._environment)
            self._wait_for_web()
            for child in self._background:
                child.start(self._environment)
            self._summarise(addresses)
            Thread(target=self._watch, name="source watcher", daemon=True).start()
            while True:
                self._pause(_BEAT)
                self._keep_services_up()
                self._keep_children_up()
                self._restart_on_change()
        except Stopped:
            self._output.line("run", "Stopping; once more Ctrl-C ends everything at once.")
        finally:
            self._end_children()

    @property
    def _children(self) -> list[Child]:
        return [self._web, *self._background]

    def _child(self, name: str, command: list[str]) -> Child:
        return Child(name, command, root=self._root, output=self._output)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self._hard = self._stop.is_set()
        self._stop.set()

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopped

    def _migrate(self) -> None:
        self._output.line("run", "Migrating …")
        command = [sys.executable, "manage.py", "migrate", "--noinput", "--verbosity=0"]
        migrate = self._child("migrate", command)
        migrate.start(self._environment)
        try:
            while migrate.exit_code() is None:
                self._pause(0.05)
        finally:
            migrate.end(_STOP_PATIENCE)
        if migrate.exit_code() != 0:
            raise DevstackError("The migrations failed; what they said stands above. Mend it and start again.")

    def _wait_for_web(self) -> None:
        give_up = time.monotonic() + _WEB_PATIENCE
        while not self._answers():
            if time.monotonic() > give_up:
                raise DevstackError(
                    "The web server does not answer; what it said stands above. Mend it and start again."
                )
            self._keep_children_up()
            self._pause(0.05)

    def _answers(self) -> bool:
        request = urllib.request.Request(f"http://{ports.HOST}:{self._port}/health/live/")  # always http
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=1):
                return True
        except urllib.error.HTTPError as error:
            error.close()
            return True
        except OSError:
            return False

    def _summarise(self, addresses: Mapping[str, str]) -> None:
        strong, calm = ("\x1b[1m", "\x1b[0m") if self._output.coloured else ("", "")
        rows = [(name, f"http://{ports.HOST}:{self._port}{path}") for name, path in _PAGES]
        rows.append(("", ""))
        for variable, server in self._services.servers.items():
            place = addresses[variable].rpartition("@")[2]
            rows.append((server.name, f"{place}, embedded, data in {server.folder.relative_to(self._root)}"))
        rows.append(("First admin", 'make manage ARGS="createsuperuser"'))
        rows.append(("Stop", "Ctrl-C, or `make stop` in another terminal"))
        width = max(len(name) for name, _ in rows)
        lines = [f"  {name:<{width}}   {text}".rstrip() for name, text in rows]
        self._output.plain("\n".join(["", f"  {strong}Layerline is running{calm}", "", *lines, ""]))

    def _keep_services_up(self) -> None:
        if self._services.are_running():
            return
        down = [server.name for server in self._services.servers.values() if not server.is_running()]
        self._output.line("run", f"{' and '.join(down)} died; starting again.")
        addresses = self._services.ensure()
        self._output.line("run", f"{' and '.join(down)} answers again.")
        if any(self._environment.get(variable) != address for variable, address in addresses.items()):
            self._output.line("run", "The port was taken meanwhile; the programs start again with the new one.")
            self._environment |= addresses
            for child in self._children:
                child.end(_STOP_PATIENCE)
                child.start(self._environment)

    def _keep_children_up(self) -> None:
        for child in self._children:
            code = child.exit_code()
            if code is None:
                continue
            if child.name not in self._again_at:
                self._plan_restart(child, code)
            elif time.monotonic() >= self._again_at[child.name]:
                del self._again_at[child.name]
                child.start(self._environment)

    def _plan_restart(self, child: Child, code: int) -> None:
        # What it started must not hold its port, its place or its output.
        child.signal_group(signal.SIGKILL)
        child.wait_for_output()
        deaths = self._deaths.get(child.name, 0) + 1 if child.uptime < _AT_ONCE else 1
        self._deaths[child.name] = deaths
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        if deaths >= _DEATHS:
            last = [f"  {line}" for line in child.last_lines]
            raise DevstackError(
                "\n".join([f"{child.name} died {deaths} times in a row, last by {how}. It said:", *last])
            )
        delay = 2.0 ** (deaths - 1) / 2
        self._again_at[child.name] = time.monotonic() + delay
        self._output.line("run", f"{child.name} ended by {how}; it starts again in {delay:g} s.")

    def _watch(self) -> None:
        folders = [self._root / folder for folder in self._sources]
        for _ in watchfiles.watch(*folders, watch_filter=watchfiles.PythonFilter(), stop_event=self._stop):
            self._changed.set()

    def _restart_on_change(self) -> None:
        """Give worker and beat the new code; the web server reloads by itself."""
        if not self._changed.is_set():
            return
        self._changed.clear()
        self._output.line("run", "Code changed; worker and beat start again.")
        for child in self._background:
            child.ask_to_end()
        for child in self._background:
            while not child.wait(0):
                self._pause(0.05)
            child.end(_STOP_PATIENCE)
            self._again_at.pop(child.name, None)
            self._deaths.pop(child.name, None)
            child.start(self._environment)

    def _end_children(self) -> None:
        for child in self._children:
            child.ask_to_end()
        give_up = time.monotonic() + _STOP_PATIENCE
        for child in self._children:
            while not self._hard and time.monotonic() < give_up and not child.wait(0.05):
                pass
        for child in self._children:
            child.signal_group(signal.SIGKILL)
            child.end(_STOP_PATIENCE)


def _with_silenced_root_warning(environment: Mapping[str, str]) -> str:
    silenced = "ignore:You're running the worker with superuser privileges"
    return ",".join(filter(None, [environment.get("PYTHONWARNINGS"), silenced]))


def check_port(port: int) -> None:
    """Make sure that the web server can have the port.

    Raises:
        DevstackError: If somebody has it; the message names him if the system does.
    """
    if ports.is_free(port):
        return
    holder = ports.holder(port)
    other = ports.pick(port + 1 if port + 1 in ports.ALL else None)
    raise DevstackError(
        f"Port {port} is taken{f' by {holder}' if holder else ''}. Choose another: PORT={other} make run"
    )


def read_port(environment: Mapping[str, str]) -> int:
    """Return the web server's port.

    Raises:
        DevstackError: If PORT is no port.
    """
    text = environment.get("PORT") or "8000"
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) not in ports.ALL:
        raise DevstackError("PORT is not a whole number from 1 to 65535.")
    return int(text)
