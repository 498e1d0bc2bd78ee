"""The commands behind the Makefile.

Services that a command starts stop again with the last command that uses them; `run` is a user like every other.
"""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

import psutil

from layerline import dotenv
from layerline.devstack import processes, record
from layerline.devstack.errors import DevstackError
from layerline.devstack.services import KINDS, Services
from layerline.devstack.state import FOLDER, State, say
from layerline.devstack.supervisor import Supervisor, check_port, read_port

PROJECT_ROOT: Final = Path(__file__).resolve().parents[2]
_SERVICE_VARIABLES: Final = frozenset(f"{name}{suffix}" for name in (*KINDS, "BROKER_URL") for suffix in ("", "_FILE"))
_STOP_PATIENCE: Final = 40.0


class Commands:
    """One command line's work, for one project."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._bare = dict(os.environ)
        dotenv.load(root / ".env")
        self._environment = dict(os.environ)
        self._services = Services(root, self._environment)

    def run(self, _arguments: Sequence[str]) -> int:
        """web, worker and beat with the embedded services, until Ctrl-C"""
        port, state = read_port(self._environment), self._services.state
        state.prepare()
        if (claim := state.claim_run()) is None:
            raise DevstackError(f"The project runs already: {_address(state)}. `make stop` ends it.")
        try:
            if orphans := record.end_orphans(state):
                say(f"Ended {orphans} processes that a killed run had left.")
            check_port(port)
            # Before the services start, so that `stop` finds a run that is still waiting for them.
            environment = self._environment | {record.MARK: record.write(state, port)}
            with self._services.used() as lease:
                Supervisor(self._root, self._services, port=port, environment=environment).run(lease.addresses)
        finally:
            record.remove(state)
            os.close(claim)
        return 0

    def manage(self, arguments: Sequence[str]) -> int:
        """a management command"""
        return self._foreground([sys.executable, "manage.py", *arguments], self._environment)

    def test(self, arguments: Sequence[str]) -> int:
        """the test suite: all of it on all cores with coverage, or what the arguments choose"""
        environment = self._servers_alone() | {"DJANGO_SETTINGS_MODULE": "config.settings.test"}
        everything = ["-n", "auto", "--cov", "--cov-report=term"]
        return self._foreground([sys.executable, "-m", "pytest", *(arguments or everything)], environment)

    def exec(self, arguments: Sequence[str]) -> int:
        """any command, with DATABASE_URL and REDIS_URL in its environment"""
        return self._any(arguments, self._environment)

    def bare(self, arguments: Sequence[str]) -> int:
        """any command, as exec, but with nothing else of .env"""
        return self._any(arguments, self._servers_alone())

    def stop(self, _arguments: Sequence[str]) -> int:
        """stop a run, and the embedded services"""
        state = self._services.state
        if not state.folder.exists():
            say("Nothing runs.")
            return 0
        state.prepare()
        self._end_run()
        embedded = Services(self._root, {})
        running = [server.name for server in embedded.servers.values() if server.is_running()]
        embedded.stop()
        say(f"Stopped {' and '.join(running)}." if running else "No embedded service runs.")
        return 0

    def reset(self, _arguments: Sequence[str]) -> int:
        """throw away the data of the embedded services, after a question (FORCE=1 for none)"""
        state = self._services.state
        if not state.folder.exists():
            say("There is nothing to throw away.")
            return 0
        if os.environ.get("FORCE") != "1" and not _confirms(
            f"Throw away all data of the embedded services in {FOLDER}?"
        ):
            say("Nothing was touched.")
            return 1
        self.stop([])
        with state.lock():
            state.remove_data()
        say("The data is gone; the next start begins anew.")
        return 0

    def status(self, _arguments: Sequence[str]) -> int:
        """what runs, and where"""
        state = self._services.state
        run_is_up = state.folder.exists() and state.is_run_up()
        print(f"run           {_address(state) if run_is_up else 'down'}")
        for variable in KINDS:
            server = self._services.servers.get(variable)
            if server is None:
                print(f"{variable:<14}set by you")
            else:
                print(f"{server.name:<14}{server.url.rpartition('@')[2] if server.is_running() else 'down'}")
        return 0

    def _servers_alone(self) -> dict[str, str]:
        """Take of a developer's .env the servers, and nothing that would change what is tested or checked."""
        return self._bare | {k: v for k, v in self._environment.items() if k in _SERVICE_VARIABLES}

    def _any(self, arguments: Sequence[str], environment: dict[str, str]) -> int:
        if not arguments:
            raise DevstackError("Which command? For example: python -m layerline.devstack exec psql")
        return self._foreground(arguments, environment)

    def _end_run(self) -> None:
        state = self._services.state
        if state.is_run_up() and (number := record.pid(state)) is not None and psutil.pid_exists(number):
            processes.end([psutil.Process(number)], patience=_STOP_PATIENCE)
            say("Stopped the run.")
        if not state.is_run_up():
            record.end_orphans(state)

    def _foreground(self, command: Sequence[str], environment: dict[str, str]) -> int:
        """Run a command in the terminal as if it had been typed there; return its exit code as a shell would."""
        with self._services.used() as lease:
            path = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', os.defpath)}"
            environment = {**environment, **lease.addresses, "PATH": path}
            descriptors = () if lease.descriptor is None else (lease.descriptor,)
            process: subprocess.Popen[bytes] | None = None

            def pass_on(number: int, _frame: FrameType | None) -> None:
                # Ctrl-C reaches the whole group of the terminal, the command included; nothing else does.
                if process is not None and number != signal.SIGINT:
                    process.send_signal(number)

            before = {which: signal.signal(which, pass_on) for which in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
            try:
                process = subprocess.Popen(command, cwd=self._root, env=environment, pass_fds=descriptors)
                code = process.wait()
            except OSError as error:
                raise DevstackError(f"{command[0]} cannot be run: {error.strerror}.") from None
            finally:
                for which, handler in before.items():
                    signal.signal(which, handler)
        return 128 - code if code < 0 else code


def _address(state: State) -> str:
    port = record.port(state)
    return f"http://127.0.0.1:{port}/" if port else "it is just starting"


def _confirms(question: str) -> bool:
    try:
        return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        return False


def main(arguments: Sequence[str] | None = None, *, root: Path = PROJECT_ROOT) -> int:
    """Run the command that the arguments name; return its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    names = ("run", "manage", "test", "exec", "bare", "stop", "reset", "status")
    listing = "\n".join(f"  {name:<8} {getattr(Commands, name).__doc__}" for name in names)
    parser = argparse.ArgumentParser(
        prog="python -m layerline.devstack",
        description=listing,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="%(prog)s COMMAND [ARGUMENT …]",
    )
    parser.add_argument("command", choices=names, metavar="COMMAND", help="one of the above; the arguments go to it")
    name = parser.parse_args(arguments[:1]).command
    try:
        command: Callable[[Sequence[str]], int] = getattr(Commands(root), name)
        return command(arguments[1:])
    except (DevstackError, dotenv.DotenvError) as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
