"""The embedded PostgreSQL: one cluster in `.dev/postgres`, on a port of its own, behind a password."""

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg
from psycopg import sql

from layerline.devstack import binaries, ports, privileges, processes
from layerline.devstack.errors import DevstackError
from layerline.devstack.state import USER, State

DATABASE: Final = "layerline"
_ATTEMPTS: Final = 5
_LOGIN_PATIENCE: Final = 10.0
_LOG_LIMIT: Final = 4 * 1024 * 1024
# PostgreSQL passes its own paths through a shell, inside double quotes.
_UNQUOTABLE: Final = frozenset('"$`\\\n')
_SETTINGS: Final = """\
listen_addresses = '127.0.0.1'
port = {port}
# A socket's path may not be longer than about 100 bytes; a project's may.
unix_socket_directories = ''
cluster_name = '{marker}'
max_connections = 200
password_encryption = 'scram-sha-256'
timezone = 'UTC'
log_timezone = 'UTC'
log_checkpoints = off
# What lies on an SSD, or in memory, is as near in the middle as at the beginning: an index is worth its while.
random_page_cost = 1.1
# Nobody replicates a developer's database, so it need not write down what replicas would need.
wal_level = minimal
max_wal_senders = 0
max_wal_size = '256MB'
"""


class Postgres:
    """Starts, finds again and stops the cluster. Callers hold the lock of the state."""

    name = "PostgreSQL"

    def __init__(self, state: State) -> None:
        self._state = state
        self.folder = state.folder / "postgres"

    @property
    def url(self) -> str:
        """The address that clients use."""
        return f"postgres://{USER}:{self._state.secret()}@{ports.HOST}:{self._state.port('postgres')}/{DATABASE}"

    def ensure(self) -> bool:
        """Make the server answer: the one that runs, or else a new one. Return whether it was started.

        Raises:
            DevstackError: If it cannot be made to.
        """
        if (self.folder / "PG_VERSION").exists() and self._adopt():
            return False
        self._start()
        return True

    def is_running(self) -> bool:
        """Tell whether the server's main process is alive."""
        return self._main_process() is not None

    def stop(self) -> None:
        """Stop the server, letting open transactions roll back."""
        if self._main_process() is not None:
            way = privileges.choose(self.folder, binaries.postgres("postgres"))
            with suppress(subprocess.TimeoutExpired):
                self._run(way, "pg_ctl", "-D", str(self.folder.resolve()), "-m", "fast", "-w", "-t", "15", "stop")
        self._end_leftovers()

    def _adopt(self) -> bool:
        main = self._main_process()
        if main is None:
            return False
        port = self._listening_port()
        give_up = time.monotonic() + _LOGIN_PATIENCE
        while time.monotonic() < give_up and not processes.is_gone(main):
            answer = self._answers(port) if port is not None else None
            if answer is not None:
                if answer and port is not None:
                    self._state.keep_port("postgres", port)
                return answer
            time.sleep(0.02)
            port = self._listening_port()
        return False

    def _start(self) -> None:
        program = binaries.postgres("postgres")
        if _UNQUOTABLE & set(f"{self.folder.resolve()}{program}"):
            raise DevstackError(
                f'PostgreSQL cannot run from a path that holds one of " $ ` \\: {self._state.root}. '
                "Move the project, or set DATABASE_URL."
            )
        self._end_leftovers()
        way = privileges.choose(self.folder, program)
        if not (self.folder / "PG_VERSION").exists():
            self._initialise(way)
        self._refuse_other_version()
        data = self.folder.resolve()
        # A copy, or a chmod over the whole project, may have opened it to others; PostgreSQL would refuse it.
        data.chmod(0o700)
        log = self._log(way)
        log.touch(mode=0o600)
        way.own(log)
        if log.stat().st_size > _LOG_LIMIT:
            os.truncate(log, 0)
        begin = log.stat().st_size
        preferred = self._state.port("postgres")
        for _ in range(_ATTEMPTS):
            port = ports.pick(preferred)
            self._configure(way, data, port)
            # No live server is left, so the file names a dead process, or a stranger that got its number since.
            (data / "postmaster.pid").unlink(missing_ok=True)
            done = self._run(way, "pg_ctl", "-D", str(data), "-l", str(log), "-w", "-t", "60", "start")
            if done.returncode == 0 and self._adopt():
                return
            self._end_leftovers()
            # Somebody took the port between the look at it and the start.
            preferred = None if not ports.is_free(port) else port
        tail = log.read_text(encoding="utf-8", errors="replace")[begin:].strip().splitlines()[-12:]
        raise DevstackError("\n".join(["PostgreSQL does not start. Its log says:", *tail, f"The whole log: {log}"]))

    def _initialise(self, way: privileges.Privileges) -> None:
        """Make the cluster beside its place and move it there: what was interrupted is never taken for whole."""
        if self.folder.is_symlink():
            self.folder.unlink()
        elif self.folder.exists():
            raise DevstackError(f"{self.folder} is there and is no database cluster. `make reset` starts anew.")
        draft = way.home / "postgres.new"
        password = way.home / "postgres.password"
        shutil.rmtree(draft, ignore_errors=True)
        password.unlink(missing_ok=True)
        try:
            password.touch(mode=0o600)
            password.write_text(self._state.secret(), encoding="ascii")
            way.own(password)
            locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8")
            done = self._run(
                way, "initdb", "-D", str(draft), "-U", USER, "--auth=scram-sha-256", f"--pwfile={password}", *locale,
                "--text-search-config=simple", "--data-checksums", "--no-instructions",
            )  # fmt: skip
        finally:
            password.unlink(missing_ok=True)
        if done.returncode != 0:
            shutil.rmtree(draft, ignore_errors=True)
            output = done.stdout.decode(errors="replace").strip().splitlines()[-6:]
            raise DevstackError("\n".join(["PostgreSQL's initdb failed:", *output]))
        with (draft / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("\ninclude = 'layerline.conf'\n")
        place = way.home / "postgres"
        draft.rename(place)
        if place != self.folder:
            self.folder.symlink_to(place)

    def _configure(self, way: privileges.Privileges, data: Path, port: int) -> None:
        path = data / "layerline.conf"
        path.write_text(_SETTINGS.format(port=port, marker=self._marker()), encoding="ascii")
        path.chmod(0o600)
        way.own(path)

    def _refuse_other_version(self) -> None:
        version = (self.folder / "PG_VERSION").read_text(encoding="ascii", errors="replace").strip()
        if version != str(binaries.POSTGRES_VERSION):
            raise DevstackError(
                f"{self.folder} was made by PostgreSQL {version}, and {binaries.POSTGRES_VERSION} is embedded now. "
                "`make reset` starts anew."
            )

    def _answers(self, port: int) -> bool | None:
        """Log in, make sure that this is our cluster and that the database is there; None if it is not ready yet."""
        try:
            with self._connect(port) as connection:
                shown = connection.execute("SHOW data_directory").fetchone()
                if shown is None or Path(shown[0]).resolve() != self.folder.resolve():
                    return False
                query = "SELECT 1 FROM pg_database WHERE datname = %s"
                if connection.execute(query, [DATABASE]).fetchone() is None:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
                return True
        except psycopg.errors.ConnectionTimeout:
            return False
        except psycopg.Error as error:
            if "password authentication failed" in str(error):
                raise DevstackError(
                    f"The embedded PostgreSQL does not know the password in {self._state.folder / 'secret'}. "
                    "`make reset` starts anew."
                ) from None
            return None

    def _connect(self, port: int) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(
            host=ports.HOST,
            port=port,
            user=USER,
            password=self._state.secret(),
            dbname="postgres",
            connect_timeout=3,
            sslmode="disable",
            gssencmode="disable",
            # A stranger on the port must not talk us into sending the password itself.
            require_auth="scram-sha-256",
            options="",
            autocommit=True,
        )

    def _main_process(self) -> psutil.Process | None:
        process = processes.by_pid_file(self.folder / "postmaster.pid")
        if process is None:
            return None
        try:
            return process if process.name() == "postgres" and self._belongs(process) else None
        except psutil.Error:
            return None

    def _listening_port(self) -> int | None:
        """Return the port from the fourth line of postmaster.pid, which the server writes as soon as it has one."""
        try:
            lines = (self.folder / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
            return int(lines[3])
        except (OSError, IndexError, ValueError):
            return None

    def _belongs(self, process: psutil.Process) -> bool:
        answer = processes.works_in(process, self.folder)
        if answer is not None:
            return answer
        # Without the right to look at another user's process: by its title, which all may read.
        try:
            title = " ".join(process.cmdline())
        except psutil.Error:
            return False
        return str(self.folder.resolve()) in title or self._marker() in title

    def _marker(self) -> str:
        return f"layerline-{sha256(os.fsencode(self.folder.resolve())).hexdigest()[:12]}"

    def _end_leftovers(self) -> None:
        """End what is left of the cluster's processes: a busy one may survive its killed parent, and hold the data."""
        processes.end(processes.find("postgres", self._belongs), first=signal.SIGQUIT)

    def _log(self, way: privileges.Privileges) -> Path:
        return way.home / "postgres.log"

    def _run(self, way: privileges.Privileges, program: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return subprocess.run(
            [*way.prefix, str(binaries.postgres(program)), *arguments],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={**environment, "LC_ALL": "C"},
            timeout=90,
            **way.options,
        )
