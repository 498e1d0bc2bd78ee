"""Making `.venv`: from any Python, once, and again after whatever went wrong."""

import ast
import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from layerline import bootstrap

# Making an environment takes seconds, on a machine that has more to do than this a minute.
pytestmark = pytest.mark.timeout(240)

_PATIENCE = 180
_SOURCE = Path(bootstrap.__file__)
_UV = """
import os, sys
if os.environ.get("UV_WORKS"):
    open("uv-was-asked", "w").write(" ".join(sys.argv[1:]))
else:
    sys.exit("uv: this index is not known to me")
"""


def wheel(folder: Path, name: str, version: str, files: dict[str, str]) -> str:
    """Write a wheel; return its pinned line of a requirements file."""
    info = f"{name}-{version}.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{path},sha256={_record_hash(text)},{len(text)}" for path, text in files.items()]
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in {**files, f"{info}/RECORD": "\n".join([*record, f"{info}/RECORD,,"])}.items():
            archive.writestr(member, text)
    return f"{name}=={version} \\\n    --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def _record_hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


class Copy:
    """A folder with the bootstrap, and with requirements that come from a folder of wheels."""

    def __init__(self, root: Path, wheels: Path) -> None:
        self.root = root
        self._wheels = wheels

    def run(
        self, *, expected: int = 0, prefix: list[str] | None = None, environment: dict[str, str] | None = None
    ) -> str:
        with self.start(prefix=prefix, environment=environment) as process:
            try:
                output, _ = process.communicate(timeout=_PATIENCE)
            finally:
                process.kill()
        assert process.returncode == expected, output
        return output

    def start(
        self, *, prefix: list[str] | None = None, environment: dict[str, str] | None = None
    ) -> subprocess.Popen[str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "UV_")) and k != "PYTHON"}
        index = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": self._wheels.as_uri()}
        # Of several that are there, the one that runs the tests.
        chosen = {"PYTHON": "{}.{}".format(*sys.version_info[:2])}
        return subprocess.Popen(
            [*(prefix or []), sys.executable, "-m", "layerline.bootstrap"],
            cwd=self.root,
            env={**clean, **index, **chosen, "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )

    def require(self, *lines: str) -> None:
        (self.root / "requirements" / "development.txt").write_text("".join(lines), encoding="utf-8")

    def can_import(self, name: str) -> bool:
        python = self.root / ".venv" / "bin" / "python"
        return subprocess.run([python, "-c", f"import {name}"], check=False, capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A folder of wheels, and the lines that pin uv and a package."""
    folder = tmp_path_factory.mktemp("wheels")
    return (
        folder,
        wheel(folder, "uv", "9.9.9", {"uv/__init__.py": "", "uv/__main__.py": _UV}),
        wheel(folder, "shoes", "1.0", {"shoes.py": ""}),
    )


@pytest.fixture
def unmade(tmp_path: Path, wheels: tuple[Path, str, str]) -> Copy:
    """A fresh copy of the project, its path with a space and more."""
    folder, uv, shoes = wheels
    root = tmp_path / "a projéct"
    (root / "layerline").mkdir(parents=True)
    (root / "requirements").mkdir()
    shutil.copy(_SOURCE, root / "layerline")
    (root / "layerline" / "__init__.py").touch()
    copy = Copy(root, folder)
    copy.require("# compiled\n", uv, shoes)
    return copy


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory, wheels: tuple[Path, str, str]) -> tuple[Path, str]:
    """An environment, and what was said while it was made."""
    folder, uv, shoes = wheels
    root = tmp_path_factory.mktemp("made") / "a projéct"
    (root / "layerline").mkdir(parents=True)
    (root / "requirements").mkdir()
    shutil.copy(_SOURCE, root / "layerline")
    (root / "layerline" / "__init__.py").touch()
    copy = Copy(root, folder)
    copy.require("# compiled\n", uv, shoes)
    return root, copy.run()


@pytest.fixture
def made(unmade: Copy, made_once: tuple[Path, str]) -> Copy:
    """A copy whose environment is made; a file in it tells later whether it is still the same one."""
    shutil.copytree(made_once[0] / ".venv", unmade.root / ".venv", symlinks=True)
    (unmade.root / ".venv" / "planted").touch()
    return unmade


def planted(copy: Copy) -> bool:
    return (copy.root / ".venv" / "planted").exists()


def bootstrap_is_ready(copy: Copy) -> bool:
    command = [sys.executable, "layerline/bootstrap.py", "--ready"]
    return subprocess.run(command, check=False, cwd=copy.root, capture_output=True).returncode == 0


def test_an_old_python_can_read_it() -> None:
    ast.parse(_SOURCE.read_text(encoding="utf-8"), feature_version=(3, 6))


@pytest.mark.slow
def test_it_makes_the_environment_by_pip_where_uv_cannot(made_once: tuple[Path, str]) -> None:
    root, said = made_once

    lines = [line.partition(" … ")[0] for line in said.splitlines()]
    version = "{}.{}".format(*sys.version_info[:2])
    assert lines == [f"Making .venv with Python {version}", "Installing uv 9.9.9", "Installing the pinned requirements"]
    assert Copy(root, root).can_import("shoes")


@pytest.mark.slow
def test_a_ready_environment_costs_nothing_and_says_nothing(made: Copy) -> None:
    taken = []
    for _ in range(3):
        begin = time.monotonic()
        assert made.run() == ""
        taken.append(time.monotonic() - begin)

    assert min(taken) < 1
    assert planted(made)


@pytest.mark.slow
def test_changed_requirements_are_brought_in_by_uv(made: Copy, wheels: tuple[Path, str, str]) -> None:
    made.require("# changed\n", wheels[1])

    said = made.run(environment={"UV_WORKS": "1", "PYTHONDONTWRITEBYTECODE": ""})

    asked = (made.root / "uv-was-asked").read_text(encoding="utf-8")
    assert asked == "pip sync --quiet --require-hashes --python .venv/bin/python requirements/development.txt"
    assert said.startswith("Installing the pinned requirements … ")
    assert planted(made)
    assert made.run() == ""


@pytest.mark.slow
def test_where_python_writes_no_bytecode_the_packages_are_compiled_once(
    made: Copy, wheels: tuple[Path, str, str]
) -> None:
    made.require("# changed\n", wheels[1])

    made.run(environment={"UV_WORKS": "1", "PYTHONDONTWRITEBYTECODE": "1"})

    asked = (made.root / "uv-was-asked").read_text(encoding="utf-8")
    assert asked.endswith(" .venv/bin/python --compile-bytecode requirements/development.txt")


@pytest.mark.slow
def test_an_interrupted_installation_is_begun_anew(made: Copy) -> None:
    (made.root / ".venv" / "layerline-installing").touch()

    made.run()

    assert not planted(made)
    assert made.can_import("shoes")


@pytest.mark.slow
@pytest.mark.parametrize("spoilt", ["bin/python", "pyvenv.cfg", "layerline-installing", "interpreter", "version"])
def test_an_environment_that_cannot_be_mended_is_not_used(
    made: Copy, spoilt: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(made.root)
    monkeypatch.delenv("PYTHON", raising=False)
    assert bootstrap._usable_version() == "{}.{}".format(*sys.version_info[:2])
    path = made.root / ".venv" / spoilt
    if spoilt == "version":
        other = tmp_path / "python"
        other.write_text('#!/bin/sh\necho \'{"version": "3.98", "missing": []}\'\n', encoding="utf-8")
        other.chmod(0o755)
        monkeypatch.setenv("PYTHON", str(other))
    elif spoilt == "interpreter":
        (made.root / ".venv" / "bin" / "python").unlink()
        (made.root / ".venv" / "bin" / "python").symlink_to(tmp_path / "uninstalled")
    elif path.exists():
        path.unlink()
    else:
        path.touch()

    assert bootstrap._usable_version() is None


@pytest.mark.slow
def test_an_environment_whose_interpreter_is_out_of_reach_is_made_anew(
    made: Copy, ordinary_user: list[str], tmp_path: Path
) -> None:
    home = tmp_path / "home of another user"
    home.mkdir()
    interpreter = made.root / ".venv" / "bin" / "python"
    interpreter.unlink()
    interpreter.symlink_to(home / "python")
    home.chmod(0)

    said = made.run(prefix=ordinary_user)

    home.chmod(0o700)
    assert said.startswith("Making .venv with Python")
    assert made.can_import("shoes")


@pytest.mark.slow
def test_two_at_once_make_it_once(unmade: Copy) -> None:
    first, second = (unmade.start() for _ in range(2))

    said = sorted([first.communicate(timeout=_PATIENCE)[0], second.communicate(timeout=_PATIENCE)[0]], key=len)

    assert (first.returncode, second.returncode) == (0, 0)
    assert said[0] in {"", "Another command is making .venv; waiting for it …\n"}
    assert "Making .venv" in said[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pin", "complaint"),
    [
        ("boots==1.0 --hash=sha256:" + "0" * 64, "THESE PACKAGES DO NOT MATCH THE HASHES"),
        ("boots==1.0", "Hashes are required in --require-hashes mode"),
    ],
)
def test_a_package_that_was_tampered_with_is_refused(
    made: Copy, wheels: tuple[Path, str, str], pin: str, complaint: str
) -> None:
    wheel(wheels[0], "boots", "1.0", {"boots.py": ""})
    made.require(wheels[1], f"{pin}\n")

    said = made.run(expected=1)

    assert complaint in said
    assert "uv: this index is not known to me" in said
    assert said.endswith("error: The requirements could not be installed.\n")
    assert not bootstrap_is_ready(made)


@pytest.mark.slow
def test_without_a_network_it_says_so(made: Copy, wheels: tuple[Path, str, str]) -> None:
    made.require(wheels[1], "hats==1.0 --hash=sha256:" + "0" * 64 + "\n")
    nowhere = {"PIP_NO_INDEX": "0", "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1"}

    said = made.run(expected=1, environment=nowhere)

    assert said.endswith(
        "error: The requirements could not be installed. "
        "The package index cannot be reached: mend the network, or let PIP_INDEX_URL name a mirror.\n"
    )


def test_a_folder_that_cannot_be_written_is_told(unmade: Copy, ordinary_user: list[str]) -> None:
    unmade.root.chmod(0o500)

    said = unmade.run(expected=1, prefix=ordinary_user)

    unmade.root.chmod(0o700)
    assert "Traceback" not in said
    assert "Permission denied" in said
    assert ".venv could not be made; what Python says stands above." in said


@pytest.mark.slow
def test_an_environment_that_cannot_be_replaced_is_told(made: Copy, ordinary_user: list[str]) -> None:
    environment = made.root / ".venv"
    (environment / "layerline-installing").touch()
    environment.chmod(0o500)

    said = made.run(expected=1, prefix=ordinary_user)

    environment.chmod(0o700)
    assert said == (
        "error: .venv cannot be written: Permission denied. "
        "Make the folder writable, or copy the project to one that is.\n"
    )


def test_requirements_that_are_not_there_are_told(unmade: Copy) -> None:
    (unmade.root / "requirements" / "development.txt").unlink()

    said = unmade.run(expected=1)

    assert said == "error: requirements/development.txt is missing: this is no complete copy of the project.\n"


@pytest.mark.parametrize("python", ["/no/such/python", "false", "true"])
def test_a_named_python_that_does_not_run_is_told(unmade: Copy, python: str) -> None:
    said = unmade.run(expected=1, environment={"PYTHON": python})

    assert said.startswith(f"error: PYTHON={python} is no Python 3.12 or 3.13 that runs. Install one, ")
    assert not (unmade.root / ".venv").exists()


def test_a_python_without_the_means_to_make_an_environment_is_told(unmade: Copy, tmp_path: Path) -> None:
    crippled = tmp_path / "python"
    answer = json.dumps({"version": "3.12", "path": "/usr/bin/python3.12", "missing": ["ensurepip"]})
    crippled.write_text(f"#!/bin/sh\necho '{answer}'\n", encoding="utf-8")
    crippled.chmod(0o755)

    said = unmade.run(expected=1, environment={"PYTHON": str(crippled)})

    assert said == (
        "error: Python 3.12 is there (/usr/bin/python3.12) but comes without ensurepip. On Debian and Ubuntu: "
        "apt install python3.12-venv. Or name another one: make PYTHON=/path/to/python\n"
    )


def test_where_there_is_no_fitting_python_it_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PYTHON", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setattr(bootstrap, "VERSIONS", ("3.98", "3.99"))

    with pytest.raises(bootstrap.BootstrapError, match=r"^This project needs .*uv python install 3\.12.*make PYTHON="):
        bootstrap.find_interpreter()


def test_a_shim_that_does_not_answer_is_passed_over_for_what_pyenv_keeps(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def program(path: Path, script: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)

    answer = {"version": "3.99", "path": "/the/one", "missing": []}
    program(tmp_path / "shims" / "python3.99", "echo 'pyenv: python3.99: command not found' >&2; exit 127")
    program(tmp_path / "shims" / "python3", 'echo \'{"version": "3.2", "path": "/old", "missing": []}\'')
    program(tmp_path / "versions" / "3.99.9" / "bin" / "python", "exit 1")
    program(tmp_path / "versions" / "3.99.10" / "bin" / "python", f"echo '{json.dumps(answer)}'")
    monkeypatch.delenv("PYTHON", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'shims'}:/usr/bin:/bin")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setattr(bootstrap, "VERSIONS", ("3.99",))

    assert bootstrap.find_interpreter() == answer
    monkeypatch.setattr(bootstrap, "VERSIONS", ("3.98", "3.99"))
    monkeypatch.setenv("PYTHON", "3.99")
    assert bootstrap.find_interpreter() == answer
