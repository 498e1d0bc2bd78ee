"""A deployment on this machine: entry points and proxy as deploy/ has them, settings as production has them."""

import json
import os
import re
import secrets
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import psycopg
import requests
import trustme
from cryptography.fernet import Fernet
from django.db import connection
from requests.adapters import HTTPAdapter

from tests.infrastructure.queue.servers import Broker, Mailbox, free_port, mail_server, wait_until

ROOT: Final = Path(__file__).resolve().parents[2]
HOST: Final = "api.rehearsal.test"
_SECONDS_TO_START: Final = 60
_SECONDS_TO_STOP: Final = 40


class NginxMissingError(Exception):
    """The rehearsal needs the real proxy."""


@dataclass
class Program:
    """One process of the deployment, started by its entry point."""

    name: str
    port: int
    log: Path
    process: subprocess.Popen[bytes]

    def stop(self) -> float:
        """Ask it to end as an orchestrator does, and return the seconds that it took.

        Raises:
            subprocess.TimeoutExpired: If it takes longer than a container gets.
        """
        started = os.times().elapsed
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(_SECONDS_TO_STOP)
        finally:
            self.kill()
        return os.times().elapsed - started

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@dataclass
class Stack:
    """Where everything stands, and what runs."""

    folder: Path
    environment: Mapping[str, str]
    mailbox: Mailbox
    broker: Broker
    authority: trustme.CA
    programs: list[Program] = field(default_factory=list)
    https: int = field(default_factory=free_port)
    http: int = field(default_factory=free_port)
    proxy: "subprocess.Popen[bytes] | None" = None

    def migrate(self, root: Path = ROOT) -> None:
        """Run what runs before a release starts."""
        self._entry(root, "migrate", {}, self.folder / "migrate.log").wait()
        log = (self.folder / "migrate.log").read_text(encoding="utf-8")
        assert "Traceback" not in log, log

    def start(self, name: str, *, root: Path = ROOT, **variables: str) -> Program:
        """Start a program and wait until it serves; a worker, until it takes jobs."""
        port, log = free_port(), self.folder / f"{name}-{len(self.programs)}.log"
        process = self._entry(root, name, {"HOST": "127.0.0.1", "PORT": str(port), **variables}, log)
        program = Program(name, port, log, process)
        self.programs.append(program)
        wait_until(lambda: self._is_up(program), seconds=_SECONDS_TO_START)
        return program

    def serve(self, *, web: list[Program], sockets: list[Program]) -> None:
        """Let the proxy lead to these programs; one that runs already is told to read its configuration anew."""
        self._configure(web, sockets)
        if self.proxy is None:
            with (self.folder / "nginx.log").open("wb") as log:
                self.proxy = subprocess.Popen(
                    [nginx(), *self._where(), "-g", "daemon off;"], start_new_session=True, stdout=log, stderr=log
                )
            wait_until(lambda: self.get("/health/live/").status_code == 200, seconds=10)
        else:
            self.proxy.send_signal(signal.SIGHUP)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.send("GET", path, **options)

    def send(self, method: str, path: str, *, timeout: float = 10, **options: Any) -> requests.Response:
        """Send one request through the proxy, by a name that only this machine knows."""
        headers = {"Host": HOST, **options.pop("headers", {})}
        with requests.Session() as session:
            session.trust_env = False
            session.mount("https://", _ByName(self.https))
            session.verify = str(self.folder / "authority.pem")
            try:
                return session.request(method, f"https://{HOST}{path}", headers=headers, timeout=timeout, **options)
            except requests.ConnectionError as error:
                if "refused" in str(error):
                    return _no_answer()
                raise

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.folder / "authority.pem"))

    def stop(self) -> None:
        for program in self.programs:
            program.kill()
        if self.proxy is not None:
            self.proxy.terminate()
            self.proxy.wait()

    def _entry(self, root: Path, name: str, variables: Mapping[str, str], log: Path) -> "subprocess.Popen[bytes]":
        environment = {**os.environ, **self.environment, **variables}
        # Where `python` is that of the image.
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        environment.pop("PYTHONPATH", None)
        with log.open("wb") as output:
            return subprocess.Popen(
                [str(root / "deploy" / "entrypoints" / name)],
                cwd=root,
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _is_up(self, program: Program) -> bool:
        assert program.process.poll() is None, program.log.read_text(encoding="utf-8")
        if program.name == "worker":
            return " ready." in program.log.read_text(encoding="utf-8")
        if program.name == "beat":
            return "beat_leads" in program.log.read_text(encoding="utf-8")
        try:
            return requests.get(f"http://127.0.0.1:{program.port}/health/ready/", timeout=2).status_code == 200
        except requests.ConnectionError:
            return False

    def _configure(self, web: list[Program], sockets: list[Program]) -> None:
        """Write the configuration of deploy/nginx for this machine: other folders, other ports, the same rules."""
        target = self.folder / "nginx"
        target.mkdir(exist_ok=True)
        (target / "tls").mkdir(exist_ok=True)
        certificate = target / "tls" / "certificate.pem"
        if not certificate.exists():
            issued = self.authority.issue_cert(HOST)
            issued.cert_chain_pems[0].write_to_path(certificate)
            issued.private_key_pem.write_to_path(target / "tls" / "key.pem")
        here = {
            "/etc/nginx/mime.types": "/etc/nginx/mime.types",
            "/etc/nginx/conf.d/*.conf": f"{target}/server.conf",
            "/etc/nginx": str(target),
            "/srv/static/": f"{ROOT}/staticfiles/",
            "/tmp/": f"{self.folder}/",  # what stands in the files
            "8443": str(self.https),
            "8080": str(self.http),
            "${WEB}": _servers(web),
            "${SOCKETS}": _servers(sockets),
            "${SERVER_NAME}": HOST,
        }
        there = re.compile("|".join(map(re.escape, here)))
        for source in (ROOT / "deploy" / "nginx").iterdir():
            text = there.sub(lambda found: here[found[0]], source.read_text(encoding="utf-8"))
            if source.name == "nginx.conf" and os.geteuid() == 0:
                # A container's user is nobody, who could read nothing here.
                text = f"user root;\n{text}"
            (target / source.name.removesuffix(".template")).write_text(text, encoding="utf-8")
        done = subprocess.run([nginx(), *self._where(), "-t"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def _where(self) -> list[str]:
        return ["-p", str(self.folder), "-c", str(self.folder / "nginx" / "nginx.conf"), "-e", "stderr"]


class _ByName(HTTPAdapter):
    """Finds the host of the rehearsal on this machine."""

    def __init__(self, port: int) -> None:
        self._port = port
        super().__init__()

    def get_connection_with_tls_context(  # what requests calls it by
        self, request: requests.PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        host, keys = self.build_connection_pool_key_attributes(request, verify, cert)
        keys |= {"server_hostname": HOST, "assert_hostname": HOST}
        return self.poolmanager.connection_from_host(
            "127.0.0.1", port=self._port, scheme=host["scheme"], pool_kwargs=keys
        )


def _no_answer() -> requests.Response:
    response = requests.Response()
    response.status_code = 0
    return response


def _servers(programs: list[Program]) -> str:
    # One `server …;` line in the file; several here.
    return " max_fails=0; server ".join(f"127.0.0.1:{program.port}" for program in programs)


def nginx() -> str:
    """Return the path of the proxy.

    Raises:
        NginxMissingError: If it is not on this machine.
    """
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise NginxMissingError("The rehearsal runs the real nginx. Install it, as with `apt-get install nginx-light`.")
    return found


@contextmanager
def deployment(folder: Path, **variables: str) -> Iterator[Stack]:
    """Give a database, a Redis and a mail server of its own to a deployment, and stop whatever it started.

    Args:
        variables: Settings that differ from a fresh deployment's.
    """
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    with _database() as database, Broker() as broker, mail_server() as mailbox:
        environment = {
            "DJANGO_SETTINGS_MODULE": "config.settings.production",
            "DATABASE_URL": database,
            "REDIS_URL": broker.url,
            "SECRET_KEY": secrets.token_urlsafe(64),
            "JWT_KEYS": json.dumps([{"kid": "now", "secret": secrets.token_urlsafe(48), "sign": True}]),
            "FIELD_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
            "ALLOWED_HOSTS": f"{HOST},127.0.0.1",
            "APP_URL": "https://app.rehearsal.test",
            "EMAIL_URL": f"smtp://127.0.0.1:{mailbox.port}",
            "DEFAULT_FROM_EMAIL": "Rehearsal <no-reply@rehearsal.test>",
            "TRUSTED_PROXIES": "127.0.0.1",
            "STORAGE_URL": f"file://{folder}/media",
            **variables,
        }
        stack = Stack(folder, environment, mailbox, broker, authority)
        try:
            yield stack
        finally:
            stack.stop()


@contextmanager
def _database() -> Iterator[str]:
    """Make a database whose owner is not the one of the embedded server, which production refuses."""
    name, password = f"rehearsal_{secrets.token_hex(4)}", secrets.token_urlsafe(24)
    given = connection.get_connection_params()
    where = {key: given[key] for key in ("host", "port", "user", "password") if key in given}
    with psycopg.connect(**where, dbname="postgres", autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
        admin.execute(f"CREATE DATABASE {name} OWNER {name}")
        try:
            yield f"postgres://{name}:{password}@{quote(str(where['host']), safe='')}:{where.get('port', 5432)}/{name}"
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
            admin.execute(f"DROP ROLE {name}")
