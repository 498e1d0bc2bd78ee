from pathlib import Path

import pytest

from apps.users import tasks
from infrastructure.queue import outbox
from layerline.flow.documents.code import file_with, place_of


@pytest.mark.parametrize(
    ("module", "name", "place"),
    [
        (
            "apps.users.services.accounts",
            "UserService.register",
            ("apps/users/services/accounts.py", "UserService.register"),
        ),
        (
            "apps.users.serializers.users",
            "UserSerializer(many=True)",
            ("apps/users/serializers/users.py", "UserSerializer"),
        ),
        (outbox.__name__, "outbox.enqueue", ("infrastructure/queue/outbox.py", "enqueue")),
        (tasks.__name__, "users.send_welcome_email", ("apps/users/tasks.py", "send_welcome_email")),
        # An inherited method: the class is what stands there.
        ("apps.users.views.me", "MeViewSet.dispatch", ("apps/users/views/me.py", "MeViewSet")),
        ("apps.users.views.me", "BurstThrottle, LoginThrottle", ("", "")),
        ("rest_framework.permissions", "IsAuthenticated", ("", "")),
        ("no.such.module", "Anything", ("", "")),
        ("", "SELECT … FROM users", ("", "")),
    ],
)
def test_a_step_leads_to_the_code_of_the_project(module: str, name: str, place: tuple[str, str]) -> None:
    assert place_of(module, name) == place


@pytest.mark.parametrize(
    ("symbol", "there"),
    [
        ("Inner", False),
        ("Outer.Inner.method", True),
        ("Outer.other", False),
        ("plain", True),
        ("TYPED", True),
        ("BARE", True),
        ("waits", True),
        ("plain.local", False),
    ],
)
def test_a_module_defines_what_stands_in_it(tmp_path: Path, symbol: str, *, there: bool) -> None:
    file = tmp_path / "code.py"
    file.write_text(
        "TYPED: int = 1\nBARE = 2\n\n\nclass Outer:\n    class Inner:\n        def method(self): ...\n\n\n"
        "def plain(): ...\n\n\nasync def waits(): ...\n",
        encoding="utf-8",
    )

    assert file_with(tmp_path / "code", symbol) == (file if there else None)


def test_a_module_that_grew_into_a_package_is_found_by_the_same_path(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    for name in ("one", "two"):
        (tmp_path / "code" / f"{name}.py").write_text(f"def {name}(): ...\n", encoding="utf-8")

    assert file_with(tmp_path / "code", "two") == tmp_path / "code" / "two.py"
    assert file_with(tmp_path / "code", "three") is None
    assert file_with(tmp_path / "nowhere", "two") is None
