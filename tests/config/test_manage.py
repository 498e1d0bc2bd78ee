from tests.config.support import PRODUCTION, environment, manage

HINT = "\n`make manage ARGS=…` runs the same command with PostgreSQL and Valkey provided.\n"


def test_good_production_settings_pass_djangos_own_check() -> None:
    result = manage(
        "check", "--deploy", "--fail-level", "WARNING", settings="config.settings.production", variables=PRODUCTION
    )

    assert (result.returncode, result.stderr) == (0, "")
    assert "no issues" in result.stdout


def test_a_wrong_setting_is_one_sentence_and_no_traceback() -> None:
    variables = environment({"SECRET_KEY": "short-canary"})

    result = manage("migrate", settings="config.settings.production", variables=variables)

    assert result.returncode == 1
    assert result.stderr == "error: SECRET_KEY is shorter than 50 characters." + HINT
    assert result.stdout == ""


def test_a_missing_database_says_where_to_get_one() -> None:
    result = manage("check", settings="config.settings.test", variables={})

    assert result.returncode == 1
    assert result.stderr == (
        "error: DATABASE_URL is not set. .env.example tells what it means and what it looks like." + HINT
    )
