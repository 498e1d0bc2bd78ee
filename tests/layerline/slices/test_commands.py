from io import StringIO

import pytest
from django.core.management import CommandError, call_command


def test_a_dry_run_shows_what_would_be_written() -> None:
    shown = StringIO()

    call_command("startslice", "billing", "Invoice", "paid:bool", "--dry-run", "--without", "admin,task", stdout=shown)

    assert "  apps/billing/services.py\n" in shown.getvalue()
    assert "apps/billing/admin.py" not in shown.getvalue()


def test_a_mistake_is_an_error_of_the_command() -> None:
    with pytest.raises(CommandError, match="there is no type 'money'"):
        call_command("startslice", "billing", "Invoice", "total:money")
    with pytest.raises(CommandError, match="There is no record"):
        call_command("destroyslice", "users", "--force")
