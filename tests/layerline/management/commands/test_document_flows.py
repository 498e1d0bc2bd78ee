import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from infrastructure import redis

_FLOWS = """
introduction = "Read this."
closing = "That is all."

[[flows]]
name = "who-am-i"
title = "Who am I?"
summary = "Nobody."
story = "Somebody asks without a token."
request = "GET /api/v1/auth/me/"
status = 401
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "flows.toml").write_text(_FLOWS, encoding="utf-8")
    return tmp_path


@pytest.fixture
def database(db: None) -> Iterator[str]:  # asked for by name
    """The name of the database that the command makes, which must not be there afterwards."""
    name = f"flows_of_{os.getpid()}"
    yield name
    assert not _exists(name)


def _exists(database: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_database WHERE datname = %s", [database])
        (count,) = cursor.fetchone()
    return bool(count)


def _start(folder: Path, database: str, *arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.layerline.flow.documents.folder_settings",
        "FLOWS_FOLDER": str(folder),
        "FLOWS_DATABASE": database,
    }
    return subprocess.Popen(
        [sys.executable, "manage.py", "document_flows", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def _run(folder: Path, database: str, *arguments: str) -> tuple[int, str, str]:
    process = _start(folder, database, *arguments)
    out, err = process.communicate()
    return process.returncode, out, err


def _keys_of(process: subprocess.Popen[str]) -> list[bytes]:
    """Return what stands under the prefix that a run has for itself."""
    return list(redis.client().scan_iter(match=f"test:{process.pid}:*", count=1_000))


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_pages_are_written_and_refused_once_they_differ(folder: Path, database: str) -> None:
    page = folder / "who-am-i.md"

    assert _run(folder, database) == (0, "README.md written\nwho-am-i.md written\nwho-am-i.svg written\n", "")
    page.write_text(page.read_text(encoding="utf-8").replace("401 Unauthorized", "200 OK"), encoding="utf-8")
    before = page.read_bytes()
    code, out, err = _run(folder, database, "--check")

    assert (code, out, page.read_bytes()) == (1, "", before)
    first, *difference, last = err.splitlines()
    assert first == f"CommandError: {page} is not what the code does now"
    assert difference[-2:] == ["    -200 OK", "    +401 Unauthorized"]
    assert last == "`make flows` writes them anew; look at what changed before you commit it."


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_two_at_once_wait_for_each_other_and_neither_a_fault_nor_a_killed_run_is_in_anybodys_way(
    folder: Path, database: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "flows.toml").write_text(_FLOWS.replace("401", "200"), encoding="utf-8")
    with connection._nodb_cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{database}"')

    good, bad = (_start(where, database) for where in (folder, other))
    said = [process.communicate()[1].splitlines()[-1:] for process in (good, bad)]

    assert [good.returncode, bad.returncode] == [0, 1]
    assert said[1] == ["CommandError: who-am-i: GET /api/v1/auth/me/ came out as 401 Unauthorized and not as 200"]
    assert [file.name for file in other.iterdir()] == ["flows.toml"]
    assert [*_keys_of(good), *_keys_of(bad)] == []


def test_it_runs_under_settings_that_keep_a_database_for_it() -> None:
    with pytest.raises(CommandError, match="make flows"):
        call_command("document_flows")
