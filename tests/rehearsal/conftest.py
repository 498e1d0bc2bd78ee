"""The deployment, once for all of a rehearsal."""

from collections.abc import Iterator

import pytest

from tests.rehearsal.stack import Stack, deployment, nginx


@pytest.fixture(scope="session")
def stack(
    django_db_setup: None, django_db_blocker: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """One deployment: migrated, two web servers' worth of threads, one server for sockets, a worker and the proxy."""
    nginx()
    with deployment(tmp_path_factory.mktemp("deployment")) as stack:
        stack.migrate()
        web, sockets = stack.start("web"), stack.start("sockets")
        stack.start("worker")
        stack.serve(web=[web], sockets=[sockets])
        yield stack
