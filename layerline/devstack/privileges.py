"""How to start a server that refuses to run as root."""

import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from layerline.devstack.errors import DevstackError

# How the name of a folder begins that holds a cluster outside of the project.
PREFIX: Final = "layerline-"
_NOBODY: Final = "nobody"
_REFUSAL: Final = (
    "PostgreSQL does not run as root, and neither `unshare --user` nor the user nobody can run it here. "
    "Run as an ordinary user, or set DATABASE_URL."
)


@dataclass(frozen=True)
class Privileges:
    """The way in which one cluster's programs are run.

    Arguments:
        home: The folder in which the cluster's folder stands.
        prefix: What is put before a command.
        options: Further arguments of `subprocess.run`.
    """

    home: Path
    prefix: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)

    def own(self, path: Path) -> None:
        """Give the file to the user that the programs run as."""
        if "user" in self.options:
            os.chown(path, self.options["user"], self.options["group"])


def choose(data: Path, program: Path) -> Privileges:
    """Return how to run the cluster's programs.

    Arguments:
        data: The cluster's folder, which may not exist yet. Its owner binds all later starts.
        program: The server, to try whether it can be run.

    Raises:
        DevstackError: If this is root and there is no way.
    """
    if os.geteuid() != 0:
        return Privileges(home=data.parent)
    owner = data.stat().st_uid if data.exists() else None
    if owner in {None, 0} and (unshare := shutil.which("unshare")):
        # A user namespace in which root is nobody: nothing to create, nothing to hand over, and files stay root's.
        prefix = (unshare, "--user", "--")
        if _runs([*prefix, str(program), "--version"]):
            return Privileges(home=data.parent, prefix=prefix)
    if owner == 0:
        raise DevstackError(_REFUSAL)
    try:
        account = pwd.getpwnam(_NOBODY)
    except KeyError:
        raise DevstackError(_REFUSAL) from None
    options = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    if not _runs([str(program), "--version"], **options):
        raise DevstackError(_REFUSAL)
    if owner is not None:
        return Privileges(home=data.resolve().parent, options=options)
    # The project may lie where nobody can reach, such as below /root; a link leads to the data from there.
    home = Path(tempfile.mkdtemp(prefix=PREFIX, dir="/var/tmp"))  # made by mkdtemp, and it outlives a reboot
    os.chown(home, account.pw_uid, account.pw_gid)
    return Privileges(home=home, options=options)


def _runs(command: list[str], **options: Any) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True, cwd="/", **options).returncode == 0
    except OSError:
        return False
