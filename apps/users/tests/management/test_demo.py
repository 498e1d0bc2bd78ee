from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from apps.users.models import User


def _demo(base_url: str) -> str:
    output = StringIO()
    call_command("demo", base_url=base_url, patience=0.0, stdout=output, no_color=True)
    return output.getvalue()


@pytest.mark.django_db(transaction=True)
def test_it_plays_its_session_and_leaves_no_account_behind(live_server: LiveServer, settings: Settings) -> None:
    settings.DEBUG = True

    output = _demo(live_server.url)

    statuses = [line.split()[-1] for line in output.splitlines() if "/api/v1/" in line]
    assert statuses == [
        *("201", "409"),
        *("401", "200", "200", "400", "403", "200"),
        *("200", "200", "204", "401", "204", "401", "404"),
    ]
    assert "The welcome mail waits in the outbox: no worker has sent it yet." in output
    assert User.objects.count() == 0


@pytest.mark.django_db
def test_it_says_how_to_start_a_server_where_none_answers(settings: Settings) -> None:
    settings.DEBUG = True

    with pytest.raises(CommandError, match=r"Nothing answers at http://127.0.0.1:9\. Start it with `make run`"):
        _demo("http://127.0.0.1:9")


@pytest.mark.django_db
def test_it_makes_no_account_outside_of_local_use() -> None:
    with pytest.raises(CommandError, match="it runs in local use only"):
        _demo("http://127.0.0.1:9")

    assert User.objects.count() == 0
