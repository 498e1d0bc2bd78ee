"""Requests that are made of the API's own document: no answer but a documented one, and never a fault of ours."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from apps.chat.enums import Visibility
from apps.chat.services import RoomService
from apps.common.enums import Role
from apps.users.tests.factories import FACTORIES, PASSWORD
from tests.e2e.servers import Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600), pytest.mark.usefixtures("database")]

_SEED: Final = 9457
# `EXAMPLES=500` makes more than 20,000 requests of the three callers together.
_EXAMPLES: Final = int(os.environ.get("EXAMPLES", "8"))
_SETTINGS: Final = Path(__file__).with_name("schemathesis.toml")
# It signs in by itself, and again when its own requests have ended its session.
_SIGNED_IN: Final = """
[auth.dynamic.openapi.bearer]
path = "/api/v1/auth/login/"
payload = {{ email = "{email}", password = "{password}" }}
extract_selector = "/access"
"""


@pytest.mark.parametrize("caller", [Role.ADMIN, Role.USER, None], ids=["admin", "user", "anonymous"])
def test_generated_requests_meet_documented_answers_only(
    open_server: Server, caller: Role | None, tmp_path: Path
) -> None:
    settings = _SETTINGS.read_text(encoding="utf-8")
    if caller:
        user = FACTORIES[caller].create()
        settings += _SIGNED_IN.format(email=user.email, password=PASSWORD)
        # By the name that the document's examples have.
        RoomService.create(actor=user, slug="lamps", name="Lamps", visibility=Visibility.PUBLIC)
    (tmp_path / "schemathesis.toml").write_text(settings, encoding="utf-8")

    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml"),
            *("run", f"{open_server.url}/api/schema/", "--no-color", "--continue-on-failure"),
            *(f"--seed={_SEED}", f"--max-examples={_EXAMPLES}"),
        ],
        cwd=tmp_path,
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    print(run.stdout[-400:])  # noqa: T201  # how many there were, for who asks with -s
