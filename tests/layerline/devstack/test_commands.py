"""What the commands pass on, ask and refuse."""

import os
import signal
from pathlib import Path

import pytest

from layerline.devstack.commands import main
from tests.layerline.devstack.support import Project, is_alive

pytestmark = pytest.mark.slow


def test_arguments_reach_the_program_as_they_are(project: Project) -> None:
    project.write_sources()

    assert project.command("manage", "-n", "a b", "it's", "--help") == "manage -n a b it's --help\n"


def test_the_exit_code_is_the_programs(project: Project) -> None:
    project.command("exec", "sh", "-c", "exit 7", expected=7)
    project.command("exec", "sh", "-c", "kill -KILL $$", expected=128 + signal.SIGKILL)


def test_a_program_that_is_not_there_is_told(project: Project) -> None:
    output = project.command("exec", "no-such-program", expected=1)

    assert output == "error: no-such-program cannot be run: No such file or directory.\n"
    assert project.server_pids() == {}


def test_ctrl_c_is_the_programs_to_answer(project: Project) -> None:
    process = project.start(
        "exec", "sh", "-c", "trap 'echo rolled back; exit 3' INT; echo up; while :; do sleep 0.05; done"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"

    os.killpg(process.pid, signal.SIGINT)

    assert process.communicate(timeout=20)[0] == "rolled back\n"
    assert process.returncode == 3
    assert project.server_pids() == {}


def test_a_test_run_takes_the_servers_from_dotenv_and_nothing_else(project: Project) -> None:
    project.write_sources()
    dotenv = "REDIS_URL=redis://cache.example.com/0\nSENTRY_DSN=https://key@sentry.example.com/1\n"
    (project.root / ".env").write_text(dotenv, encoding="utf-8")
    fake = project.root / "pytest.py"
    fake.write_text(
        "import os, sys\nprint(os.environ['REDIS_URL'], os.environ.get('SENTRY_DSN'),"
        " os.environ['DJANGO_SETTINGS_MODULE'], *sys.argv[1:])\n",
        encoding="utf-8",
    )

    chosen = project.command("test", "apps/users", "-k", "login or out")
    whole = project.command("test")

    head = "redis://cache.example.com/0 None config.settings.test"
    assert chosen == f"{head} apps/users -k login or out\n"
    assert whole == f"{head} -n auto --cov --cov-report=term\n"


def test_a_bare_command_takes_the_servers_from_dotenv_and_nothing_else(project: Project) -> None:
    dotenv = "REDIS_URL=redis://cache.example.com/0\nSENTRY_DSN=https://key@sentry.example.com/1\n"
    (project.root / ".env").write_text(dotenv, encoding="utf-8")
    show = ("sh", "-c", 'echo "$REDIS_URL" "${SENTRY_DSN-none}" "${DATABASE_URL%%:*}"')

    assert project.command("bare", *show) == "redis://cache.example.com/0 none postgres\n"
    assert project.command("bare", *show, environment={"SENTRY_DSN": "given"}) == (
        "redis://cache.example.com/0 given postgres\n"
    )


def test_a_broken_dotenv_is_told_by_its_line_and_never_its_text(project: Project) -> None:
    (project.root / ".env").write_text("A=1\nhunter2 is no assignment\n", encoding="utf-8")

    output = project.command("exec", "true", expected=1)

    assert output == "error: .env, line 2: expected NAME=value or a # comment.\n"


def test_reset_without_an_answer_touches_nothing(project: Project) -> None:
    output = project.command("reset", expected=1)

    assert output.endswith("Nothing was touched.\n")
    assert (project.root / ".dev" / "postgres" / "PG_VERSION").exists()


def test_reset_by_force_takes_the_data_and_stops_what_runs(project: Project) -> None:
    holder = project.hold()
    project.sql("CREATE TABLE gone AS SELECT 1")
    servers = project.server_pids()

    project.command("reset", environment={"FORCE": "1"})

    assert not any(is_alive(pid) for pid in servers.values())
    assert sorted(path.name for path in (project.root / ".dev").iterdir()) == ["lock", "run.lock", "users.lock"]
    os.killpg(holder.pid, signal.SIGKILL)
    project.hold()
    assert project.sql("SELECT to_regclass('gone')") == "None"


def test_stop_and_reset_of_what_never_ran_say_so(empty: Project) -> None:
    assert empty.command("stop") == "Nothing runs.\n"
    assert empty.command("reset") == "There is nothing to throw away.\n"
    assert not (empty.root / ".dev").exists()


def test_a_folder_of_somebody_else_is_refused(project: Project) -> None:
    folder = project.root / ".dev"
    if os.geteuid() == 0:
        os.chown(folder, 12_345, 12_345)
    else:
        # Every file of the root folder's belongs to root.
        folder.rename(folder.with_name("other"))
        folder.symlink_to("/usr")

    output = project.command("exec", "true", expected=1)

    owner = 12_345 if os.geteuid() == 0 else 0
    assert output == (
        f"error: {folder} belongs to uid {owner}, and this is uid {os.geteuid()}. "
        "Run as that user, or remove the folder.\n"
    )


def test_status_tells_what_is_up_and_what_is_the_users_own(project: Project) -> None:
    down = project.command("status", environment={"REDIS_URL": "redis://cache.example.com/0"})
    project.hold()
    up = project.command("status")

    assert down == "run           down\nPostgreSQL    down\nREDIS_URL     set by you\n"
    assert f"PostgreSQL    127.0.0.1:{project.state.port('postgres')}/layerline\n" in up
    assert f"Valkey        127.0.0.1:{project.state.port('valkey')}/0\n" in up
    assert project.state.secret() not in up


def test_an_unknown_command_lists_the_known_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["dance"], root=tmp_path)

    assert exit_.value.code == 2
    assert "invalid choice: 'dance'" in capsys.readouterr().err
