"""Starting, finding again and stopping the embedded servers, whatever happened to them before."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

import psycopg
import pytest
import redis

from tests.layerline.devstack.support import Project, is_alive, processes_below, wait_until

pytestmark = pytest.mark.slow


def test_a_first_start_gives_both_addresses_to_the_command(empty: Project) -> None:
    output = empty.command("exec", "sh", "-c", "echo $DATABASE_URL; echo $REDIS_URL")

    database, broker = output.splitlines()
    secret = (empty.root / ".dev" / "secret").read_text(encoding="ascii")
    assert database == f"postgres://layerline_dev:{secret}@127.0.0.1:{empty.state.port('postgres')}/layerline"
    assert broker == f"redis://layerline_dev:{secret}@127.0.0.1:{empty.state.port('valkey')}/0"


def test_services_stop_with_their_last_user(project: Project) -> None:
    first = project.hold()
    project.command("exec", "true")
    assert set(project.server_pids()) == {"postgres", "valkey"}

    first.terminate()

    assert first.wait(timeout=20) == 128 + signal.SIGTERM
    assert project.server_pids() == {}
    assert processes_below(project.root) == []


def test_the_servers_are_the_ones_that_the_specification_names(project: Project) -> None:
    project.hold()

    assert project.sql("SHOW server_version_num").startswith("18")
    assert project.sql("SHOW server_encoding") == "UTF8"
    assert project.sql("SELECT lower('ÀÉ')") == "àé"
    assert project.sql("SHOW fsync") == "on"
    assert project.sql("SHOW unix_socket_directories") == ""
    assert project.sql("SHOW max_connections") == "200"
    assert project.sql("SELECT rolpassword LIKE 'SCRAM-SHA-256%' FROM pg_authid WHERE rolname = current_user") == "True"
    with project.redis() as client:
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.acl_whoami() == "layerline_dev"


def test_nobody_gets_in_without_the_secret(project: Project) -> None:
    project.hold()
    wrong = project.postgres.url.replace(project.state.secret(), "guess")

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)
    with redis.Redis(port=int(project.state.port("valkey") or 0)) as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_everything_kept_is_for_its_owner_alone(project: Project) -> None:
    (project.root / ".dev").chmod(0o755)

    project.command("exec", "true")

    kept = [project.root / ".dev", *(project.root / ".dev").iterdir(), project.root / ".dev/valkey/valkey.conf"]
    assert {path: oct(path.stat().st_mode & 0o077) for path in kept} == dict.fromkeys(kept, "0o0")


def test_data_and_ports_survive_a_restart(project: Project) -> None:
    holder = project.hold()
    project.sql("CREATE TABLE kept AS SELECT 42 AS number")
    with project.redis() as client:
        client.set("kept", "42")
    ports = project.state.read_json("ports.json")
    holder.terminate()
    holder.wait(timeout=20)

    project.hold()

    assert project.sql("SELECT number FROM kept") == "42"
    with project.redis() as client:
        assert client.get("kept") == "42"
    assert project.state.read_json("ports.json") == ports


def test_two_first_starts_at_once_share_one_pair_of_servers(empty: Project) -> None:
    starts = [empty.start("exec", "sh", "-c", "echo $DATABASE_URL $REDIS_URL; sleep 1") for _ in range(3)]

    answers = {start.communicate(timeout=40)[0] for start in starts}

    assert len(answers) == 1, answers
    assert [start.returncode for start in starts] == [0, 0, 0]
    assert processes_below(empty.root) == []


def test_what_a_killed_command_left_is_adopted(project: Project) -> None:
    killed = project.hold()
    before = project.server_pids()
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()

    project.hold()

    assert project.server_pids() == before
    assert len(before) == 2


def test_a_command_whose_starter_was_killed_keeps_its_services(project: Project) -> None:
    starter = project.hold()
    starter.kill()
    starter.wait()

    project.command("exec", "true")

    assert set(project.server_pids()) == {"postgres", "valkey"}


def test_killed_servers_come_back_with_their_data(project: Project) -> None:
    project.hold()
    project.sql("CREATE TABLE kept AS SELECT 42 AS number")
    with project.redis() as client:
        client.set("kept", "42")
    time.sleep(1.1)  # Valkey writes what it was told to the disk every second.
    before = project.server_pids()
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(is_alive(pid) for pid in before.values()))

    assert project.command("exec", "echo", "answered") == "answered\n"

    after = project.server_pids()
    assert set(after) == {"postgres", "valkey"}
    assert not set(after.values()) & set(before.values())
    assert project.sql("SELECT number FROM kept") == "42"
    with project.redis() as client:
        assert client.get("kept") == "42"


def test_a_busy_backend_of_a_killed_server_does_not_hold_up_the_next(project: Project) -> None:
    project.hold()
    busy = subprocess.Popen(
        ["sleep", "600"], cwd=project.postgres.folder, executable=shutil.which("sleep"), start_new_session=True
    )
    connection = psycopg.connect(project.postgres.url, autocommit=True)
    backend = connection.info.backend_pid
    # A stopped process, like one in a long computation, does not notice that its parent is gone.
    os.kill(backend, signal.SIGSTOP)
    os.kill(project.server_pids()["postgres"], signal.SIGKILL)

    project.command("exec", "true")

    connection.close()
    assert not is_alive(backend)
    assert is_alive(busy.pid), "a process of another name in the same folder is none of ours"
    busy.kill()
    busy.wait()


def test_a_pid_file_whose_number_went_to_a_stranger_is_taken_away(project: Project) -> None:
    stranger = subprocess.Popen(["sleep", "600"])
    data = project.root / ".dev" / "postgres"
    lines = [str(stranger.pid), str(data), "1700000000", "22222", "", "127.0.0.1", "0 0", "ready"]
    (data / "postmaster.pid").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (project.root / ".dev/valkey/valkey.pid").write_text(f"{stranger.pid}\n", encoding="ascii")

    assert project.command("exec", "echo", "answered") == "answered\n"

    assert is_alive(stranger.pid)
    stranger.kill()
    stranger.wait()


def test_a_frozen_server_is_replaced(project: Project) -> None:
    holder = project.hold()
    before = project.server_pids()
    for pid in before.values():
        os.kill(pid, signal.SIGSTOP)
    os.killpg(holder.pid, signal.SIGKILL)

    assert project.command("exec", "echo", "answered") == "answered\n"

    assert not any(is_alive(pid) for pid in before.values())


def test_a_port_that_a_stranger_took_is_given_up(project: Project) -> None:
    ports = project.state.read_json("ports.json")
    strangers = [socket.create_server(("127.0.0.1", port)) for port in ports.values()]

    project.hold()

    now = project.state.read_json("ports.json")
    assert now["postgres"] != ports["postgres"]
    assert now["valkey"] != ports["valkey"]
    assert project.sql("SELECT 1") == "1"
    for stranger in strangers:
        stranger.settimeout(0)
        with pytest.raises(BlockingIOError):
            stranger.accept()  # Nobody tried our password on it.
        stranger.close()


def test_a_copied_project_leaves_the_original_alone(project: Project, tmp_path: Path) -> None:
    project.hold()
    original = project.server_pids()
    copy = Project(tmp_path / "a copy")
    shutil.copytree(project.root, copy.root)

    copy.hold()

    assert project.server_pids() == original
    assert not set(copy.server_pids().values()) & set(original.values())
    assert Path(copy.sql("SHOW data_directory")) == copy.postgres.folder
    copy.kill_all()


def test_data_that_a_chmod_opened_to_others_is_closed_again(project: Project) -> None:
    subprocess.run(["chmod", "-R", "a+rX", project.root], check=True)

    assert project.command("exec", "echo", "answered") == "answered\n"

    data = project.state.folder / "postgres"
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (project.state.folder, data)] == [0o700, 0o700]


def test_a_project_moved_while_it_ran_starts_at_its_new_place(project: Project, tmp_path: Path) -> None:
    killed = project.hold()
    before = project.server_pids()
    os.killpg(killed.pid, signal.SIGKILL)
    moved = Project(project.root.rename(tmp_path / "moved"))

    moved.hold()

    assert Path(moved.sql("SHOW data_directory")) == moved.postgres.folder
    assert not is_alive(before["postgres"])
    moved.kill_all()


def test_an_interrupted_first_start_is_begun_anew(empty: Project) -> None:
    half_made = empty.root / ".dev" / "postgres.new"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18\n", encoding="ascii")

    assert empty.command("exec", "echo", "answered") == "answered\n"

    assert not half_made.exists()


def test_a_first_start_that_is_killed_at_any_moment_is_begun_anew(empty: Project) -> None:
    for delay in (0.5, 0.8):
        start = empty.start("exec", "true")
        time.sleep(delay)
        os.killpg(start.pid, signal.SIGKILL)
        start.wait()

    assert empty.command("exec", "echo", "answered") == "answered\n"


def test_a_path_far_longer_than_a_socket_may_have_works(empty: Project) -> None:
    deep = empty.root.joinpath(*["a folder with a rather long name"] * 6)
    deep.mkdir(parents=True)
    project = Project(deep)

    assert project.command("exec", "echo", "answered") == "answered\n"
    assert len(str(deep)) > 200


def test_a_path_that_postgresql_cannot_quote_is_refused_in_plain_words(tmp_path: Path) -> None:
    root = tmp_path / "cash $HOME"
    root.mkdir()

    output = Project(root).command("exec", "true", expected=1)

    assert output == (
        f'error: PostgreSQL cannot run from a path that holds one of " $ ` \\: {root}. '
        "Move the project, or set DATABASE_URL.\n"
    )


def test_a_lost_secret_is_told_with_the_way_out(project: Project) -> None:
    (project.root / ".dev" / "secret").unlink()

    output = project.command("exec", "true", expected=1)

    assert "`make reset` starts anew" in output
    assert "Traceback" not in output
    assert project.command("reset", environment={"FORCE": "1"})
    assert project.command("exec", "echo", "answered") == "answered\n"


def test_a_changed_secret_is_told_with_the_way_out(project: Project) -> None:
    (project.root / ".dev" / "secret").write_text("another", encoding="ascii")

    output = project.command("exec", "true", expected=1)

    assert "does not know the password" in output
    assert processes_below(project.root) == []


def test_a_cluster_of_another_version_is_told_with_the_way_out(project: Project) -> None:
    (project.root / ".dev" / "postgres" / "PG_VERSION").write_text("17\n", encoding="ascii")

    output = project.command("exec", "true", expected=1)

    assert "was made by PostgreSQL 17, and 18 is embedded now. `make reset` starts anew." in output


def test_without_roots_rights_it_works_as_well(empty: Project, ordinary_user: list[str]) -> None:
    output = empty.command("exec", "sh", "-c", "id -u; echo $DATABASE_URL", prefix=ordinary_user)

    uid, database = output.splitlines()
    assert uid != "0"
    assert database.startswith("postgres://layerline_dev:")


def test_a_folder_that_cannot_be_written_is_told_with_the_way_out(empty: Project, ordinary_user: list[str]) -> None:
    empty.root.chmod(0o500)

    output = empty.command("exec", "true", prefix=ordinary_user, expected=1)

    empty.root.chmod(0o700)
    assert output == (
        f"error: The folder {empty.root}/.dev cannot be used: Permission denied. "
        "The embedded services keep their data there: make it writable, "
        "or set DATABASE_URL and REDIS_URL to servers of your own.\n"
    )


def test_named_servers_are_used_as_they_are_and_nothing_is_started(empty: Project, ordinary_user: list[str]) -> None:
    empty.root.chmod(0o500)
    named = {"DATABASE_URL": "postgres://db.example.com/shop", "REDIS_URL_FILE": "/run/secrets/redis"}

    output = empty.command(
        "exec", "sh", "-c", "echo $DATABASE_URL [$REDIS_URL]", prefix=ordinary_user, environment=named
    )

    empty.root.chmod(0o700)
    assert output == "postgres://db.example.com/shop []\n"


def test_only_the_server_that_is_not_named_is_provided(project: Project) -> None:
    (project.root / ".env").write_text("DATABASE_URL=postgres://db.example.com/shop\n", encoding="utf-8")

    output = project.command("exec", "sh", "-c", "echo $DATABASE_URL; echo $REDIS_URL; ls .dev/postgres")

    lines = output.splitlines()
    assert lines[0] == "postgres://db.example.com/shop"
    assert lines[1].startswith("redis://layerline_dev:")
    assert "postmaster.pid" not in lines


def test_where_unshare_is_refused_root_runs_postgresql_as_nobody_or_says_why_not(
    empty: Project, tmp_path: Path
) -> None:
    refusing = tmp_path / "bin" / "unshare"
    refusing.parent.mkdir()
    refusing.write_text("#!/bin/sh\necho 'unshare: Operation not permitted' >&2\nexit 1\n", encoding="ascii")
    refusing.chmod(0o755)
    environment = {"PATH": f"{refusing.parent}:{os.environ['PATH']}"}

    start = empty.start("exec", "echo", "answered", environment=environment)
    output, _ = start.communicate(timeout=50)

    refused = (
        "error: PostgreSQL does not run as root, and neither `unshare --user` nor the user nobody can run it here. "
        "Run as an ordinary user, or set DATABASE_URL.\n"
    )
    assert (start.returncode, output) in {(0, "answered\n"), (1, refused)}
    if os.geteuid() == 0 and start.returncode == 0:
        home = (empty.root / ".dev" / "postgres").resolve().parent
        assert home.is_relative_to("/var/tmp")
        assert empty.command("exec", "echo", "once more", environment=environment) == "once more\n"
        empty.command("reset", environment={**environment, "FORCE": "1"})
        assert not home.exists()
