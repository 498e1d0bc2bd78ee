"""Fixtures for the tests that start the toolkit's programs."""

import os
import subprocess

import pytest


@pytest.fixture(scope="session")
def ordinary_user() -> list[str]:
    """What to put before a command so that it runs without root's rights.

    In a user namespace of its own root is nobody, and still reaches a Python below /root.
    """
    if os.geteuid() != 0:
        return []
    prefix = ["unshare", "--user", "--"]
    if subprocess.run([*prefix, "true"], check=False).returncode == 0:
        return prefix
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
