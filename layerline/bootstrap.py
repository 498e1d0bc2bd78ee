"""Makes `.venv` from any Python: `python3 -m layerline.bootstrap`.

Written so that Pythons far older than the project's can run it and say what is missing: standard library only,
no syntax and no names that came after 3.6.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

VERSIONS = ("3.12", "3.13")
ROOT = Path(__file__).resolve().parent.parent
# Relative: the work is done inside the project's folder, whose own path may hold anything.
VENV = Path(".venv")
PYTHON = VENV / "bin" / "python"
REQUIREMENTS = Path("requirements", "development.txt")
STAMP = VENV / "layerline-stamp"
# There while packages are being installed: found at a start, it tells that the last one was interrupted.
MARKER = VENV / "layerline-installing"
_DESCRIBE = """
import importlib.util, json, sys
missing = [name for name in ("venv", "ensurepip", "ssl") if importlib.util.find_spec(name) is None]
print(json.dumps({"version": ".".join(map(str, sys.version_info[:2])), "path": sys.executable, "missing": missing}))
"""
_NETWORK_TROUBLE = re.compile(
    "NewConnectionError|ConnectTimeout|ReadTimeout|Name or service not known|name resolution|Network is unreachable"
    "|Connection refused|dns error|No route to host|ProxyError|nodename nor servname",
    re.IGNORECASE,
)


class BootstrapError(Exception):
    """What a person has to mend; the message tells how."""


def main(arguments: "list[str]") -> int:
    """Make the environment if it is not there or not up to date; return an exit code.

    Arguments:
        arguments: `--ready` only asks whether it is.
    """
    os.chdir(str(ROOT))
    if "--ready" in arguments:
        return 0 if is_ready() else 1
    try:
        if not is_ready():
            _make_alone()
    except BootstrapError as error:
        _tell(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        _tell("\nInterrupted; the next start goes on.\n")
        return 130
    return 0


def is_ready() -> bool:
    """Tell whether the environment is the one that the requirements, and PYTHON if it is set, ask for."""
    try:
        version, digest = STAMP.read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return False
    # Not by its path alone: it may link to a place that is out of reach for this user.
    if MARKER.exists() or not os.access(str(PYTHON), os.X_OK) or digest != _digest():
        return False
    asked = os.environ.get("PYTHON")
    return not asked or _asked_version(asked) == version


def make() -> None:
    """Make the environment, or bring it up to date.

    Raises:
        BootstrapError: If something is missing that it takes.
    """
    if not REQUIREMENTS.exists():
        raise BootstrapError(f"{REQUIREMENTS} is missing: this is no complete copy of the project.")
    try:
        version = _usable_version()
        if version is None:
            interpreter = find_interpreter()
            version = interpreter["version"]
            _create(interpreter)
        _install()
        draft = STAMP.with_name(f"{STAMP.name}.new")
        draft.write_text(f"{version} {_digest()}\n", encoding="utf-8")
        draft.replace(STAMP)
    except OSError as error:
        # What cannot be removed is named without its folder.
        place = error.filename if error.filename and os.sep in str(error.filename) else VENV
        raise BootstrapError(
            f"{place} cannot be written: {error.strerror}. "
            "Make the folder writable, or copy the project to one that is."
        ) from None


def find_interpreter() -> "dict[str, str]":
    """Return version and path of an interpreter that the project can run on, found by executing what is there.

    Raises:
        BootstrapError: If there is none.
    """
    asked = os.environ.get("PYTHON")
    crippled = None
    for version, candidate in _candidates(asked):
        found = describe(candidate)
        if found.get("version") != version:
            continue
        if not found["missing"]:
            return found
        crippled = crippled or found
    if crippled:
        version, missing = crippled["version"], " and ".join(crippled["missing"])
        raise BootstrapError(
            f"Python {version} is there ({crippled['path']}) but comes without {missing}. "
            f"On Debian and Ubuntu: apt install python{version}-venv. Or name another one: make PYTHON=/path/to/python"
        )
    problem = (
        f"PYTHON={asked} is no Python 3.12 or 3.13 that runs."
        if asked
        else f"This project needs Python 3.12 or 3.13, and none was found (this is {_version_of_this()})."
    )
    raise BootstrapError(
        f"{problem} Install one, for example by `uv python install 3.12`, `pyenv install 3.12`, "
        "`brew install python@3.12` or `apt install python3.12 python3.12-venv`, "
        "or name it: make PYTHON=/path/to/python"
    )


def describe(interpreter: str) -> "dict[str, Any]":
    """Return version, path and missing modules of an interpreter; an empty dictionary if it does not run."""
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONHOME", "PYTHONPATH"}}
    try:
        output = subprocess.check_output(
            [os.path.expanduser(interpreter), "-I", "-c", _DESCRIBE],
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            timeout=20,
            env=environment,
        )
        return dict(json.loads(output.decode("utf-8")))
    except (OSError, ValueError, subprocess.SubprocessError):
        return {}


def _make_alone() -> None:
    """Make the environment under a lock on the project's folder, which leaves no file behind."""
    descriptor = os.open(".", os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            _tell(f"Another command is making {VENV}; waiting for it …\n")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if not is_ready():
            make()
    finally:
        os.close(descriptor)


def _asked_version(asked: str) -> "str | None":
    """Return the version that PYTHON asks for: itself one, such as 3.13, or a program that has one."""
    return asked if asked in VERSIONS else describe(asked).get("version")


def _candidates(asked: "str | None") -> "list[tuple[str, str]]":
    """Return pairs of the wanted version and what may be an interpreter of it, the most wanted first."""
    if asked and asked not in VERSIONS:
        return [(version, asked) for version in VERSIONS]
    found = []
    for version in [asked] if asked else sorted(VERSIONS, key=lambda version: version != _preferred_version()):
        paths = [shutil.which(name) for name in (f"python{version}", "python3", "python")]
        if _version_of_this() == version:
            # In an environment of its own, `python3` may be another project's; its base is the same everywhere.
            paths.insert(0, getattr(sys, "_base_executable", None) or sys.executable)
        found += [(version, path) for path in [*paths, *_pyenv_interpreters(version)] if path]
    return found


def _version_of_this() -> str:
    return ".".join(map(str, sys.version_info[:2]))


def _preferred_version() -> str:
    try:
        return ".".join(Path(".python-version").read_text(encoding="utf-8").strip().split(".")[:2])
    except OSError:
        return VERSIONS[0]


def _pyenv_interpreters(version: str) -> "list[str]":
    """Return pyenv's interpreters of a version, the newest first: its shims answer for the chosen versions only."""
    home = os.environ.get("PYENV_ROOT")
    versions = (Path(home) if home else Path.home() / ".pyenv") / "versions"
    try:
        found = [path for path in versions.glob(f"{version}.*") if re.match(r"\d+\.\d+\.\d+$", path.name)]
    except OSError:
        # Somebody else's, by an inherited PYENV_ROOT.
        return []
    found.sort(key=lambda path: int(path.name.rsplit(".", 1)[1]), reverse=True)
    return [str(path / "bin" / "python") for path in found]


def _usable_version() -> "str | None":
    """Return the version of an existing environment that only needs its packages brought up to date."""
    if MARKER.exists() or not (VENV / "pyvenv.cfg").exists():
        return None
    asked = os.environ.get("PYTHON")
    wanted = (_asked_version(asked),) if asked else VERSIONS
    version = describe(str(PYTHON)).get("version")
    if version is None or version not in wanted or not _succeeds([str(PYTHON), "-m", "pip", "--version"]):
        return None
    return str(version)


def _create(interpreter: "dict[str, str]") -> None:
    if VENV.is_symlink():
        VENV.unlink()
    if VENV.exists():
        shutil.rmtree(str(VENV))
    _step(
        f"Making {VENV} with Python {interpreter['version']}",
        [[interpreter["path"], "-m", "venv", str(VENV)]],
        f"{VENV} could not be made; what Python says stands above.",
    )


def _install() -> None:
    MARKER.touch()
    python, file = str(PYTHON), str(REQUIREMENTS)
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--require-hashes", "--no-deps", "-r"]
    pinned, lines = _uv_requirement()
    if not _succeeds([python, "-c", f"import importlib.metadata as m; assert m.version('uv') == {pinned!r}"]):
        with tempfile.NamedTemporaryFile("w", suffix=".txt", prefix="layerline-uv-", encoding="utf-8") as only_uv:
            only_uv.write(lines)
            only_uv.flush()
            _step(f"Installing uv {pinned}", [[*pip, only_uv.name]], "uv could not be installed.")
    uv = [python, "-m", "uv", "pip", "sync", "--quiet", "--require-hashes", "--python", python]
    if sys.dont_write_bytecode:
        # Set in many containers; every start would compile a thousand modules anew.
        uv.append("--compile-bytecode")
    # pip comes second: it knows indexes that uv does not, from its own configuration.
    _step("Installing the pinned requirements", [[*uv, file], [*pip, file]], "The requirements could not be installed.")
    MARKER.unlink()


def _uv_requirement() -> "tuple[str, str]":
    """Return the pinned version of uv, and the lines of the requirements that pin it with its hashes."""
    found = re.search(r"^uv==([^\s;\\]+)(.*\\\n)*.*\n", REQUIREMENTS.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise BootstrapError(f"{REQUIREMENTS} does not pin uv, which `make requirements` would have done.")
    return found.group(1), found.group(0)


def _step(title: str, commands: "list[list[str]]", problem: str) -> None:
    """Run the commands until one succeeds, quietly; show what all of them said if none does."""
    started, said = time.time(), []
    _tell(f"{title} … ")
    for command in commands:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output = _output_of(process, title, started)
        if process.returncode == 0:
            _tell(f"{time.time() - started:.1f} s\n")
            return
        said.append(f"$ {' '.join(command)}\n{output}")
    _tell("failed\n" + "\n".join(said) + "\n")
    if _NETWORK_TROUBLE.search("".join(said)):
        problem += " The package index cannot be reached: mend the network, or let PIP_INDEX_URL name a mirror."
    raise BootstrapError(problem)


def _output_of(process: "subprocess.Popen[bytes]", title: str, started: float) -> str:
    while True:
        try:
            return process.communicate(timeout=1)[0].decode("utf-8", "replace")
        except subprocess.TimeoutExpired:
            if sys.stderr.isatty():
                _tell(f"\r{title} … {time.time() - started:.0f} s ")


def _succeeds(command: "list[str]") -> bool:
    nowhere = subprocess.DEVNULL
    try:
        return subprocess.call(command, stdin=nowhere, stdout=nowhere, stderr=nowhere) == 0
    except OSError:
        return False


def _digest() -> str:
    try:
        return hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    except OSError:
        return ""


def _tell(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
