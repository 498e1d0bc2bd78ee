"""Which folders are what: read from pyproject.toml, so that the checker knows no slice by name."""

import tomllib
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final, Self

LAYERS: Final = frozenset(
    {
        "admin",
        "apps",
        "authentication",
        "consumers",
        "enums",
        "exceptions",
        "fields",
        "filters",
        "frames",
        "handlers",
        "management",
        "managers",
        "middleware",
        "migrations",
        "models",
        "pagination",
        "parsers",
        "permissions",
        "renderers",
        "requests",
        "routing",
        "schema",
        "selectors",
        "serializers",
        "services",
        "signals",
        "tasks",
        "tests",
        "throttling",
        "types",
        "urls",
        "views",
    }
)
# Stands for the project's own folder: Django apps that lie beside manage.py.
_TOP: Final = "."


class LayoutError(Exception):
    """A pyproject.toml that the checker cannot work with."""


class Role(Enum):
    """What a module belongs to."""

    SLICE = "slice"
    INFRASTRUCTURE = "infrastructure"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a module stands.

    Args:
        role: What it belongs to.
        layer: The layer inside its slice, by its file name; empty where it has none.
    """

    role: Role
    layer: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The project's folders.

    Args:
        roots: The root packages to look through.
        slices: Packages whose children are slices.
        top: Root packages that are slices themselves.
        infrastructure: Packages that may talk to the outside.
    """

    roots: tuple[str, ...]
    slices: tuple[str, ...]
    top: frozenset[str]
    infrastructure: tuple[str, ...]

    @classmethod
    def read(cls, root: Path) -> Self:
        """Return what `[tool.layerline]` and `[tool.importlinter]` of the project's pyproject.toml say.

        Raises:
            LayoutError: If that file cannot be read, or names no package that is there.
        """
        own, linter = _tables(root)
        found = [folder.name for folder in sorted(root.iterdir()) if _is_package(folder)]
        named = linter.get("root_packages") or [linter[name] for name in ("root_package",) if name in linter] or found
        infrastructure = _names(own, "infrastructure", ["infrastructure"])
        # Others, such as django, are there to be looked up.
        roots = tuple(name for name in _names(own, "packages", named) if (root / name).is_dir())
        if not roots:
            raise LayoutError(f"{root} holds none of the packages that pyproject.toml names.")
        named_slices = _names(own, "slices", ["apps"])
        slices = tuple(name for name in named_slices if name != _TOP)
        apps = (name for name in roots if name not in infrastructure and (root / name / "apps.py").is_file())
        top = frozenset(apps if _TOP in named_slices else ())
        # Where it looks in the wrong place, a checker finds nothing and is content.
        if not slices and not top:
            raise LayoutError("There are no slices: see `slices` under [tool.layerline] in pyproject.toml.")
        for name in slices:
            package, *inside = name.split(".")
            if package not in roots or not root.joinpath(package, *inside).is_dir():
                raise LayoutError(f"{name!r} holds no slices: mend `slices` under [tool.layerline] in pyproject.toml.")
        return cls(roots, slices, top, infrastructure)

    def place(self, module: str) -> Place:
        """Return where the module of this dotted name stands."""
        # The longest first: `shop.apps` before `shop`.
        for container in sorted(self.slices, key=len, reverse=True):
            if module.startswith(f"{container}."):
                inside = module.removeprefix(f"{container}.").split(".")[1:]
                return Place(Role.SLICE, _layer(inside))
        first, *rest = module.split(".")
        if first in self.top:
            return Place(Role.SLICE, _layer(rest))
        for package in self.infrastructure:
            if module == package or module.startswith(f"{package}."):
                return Place(Role.INFRASTRUCTURE, "")
        return Place(Role.OTHER, "")

    def is_slice_or_container(self, module: str) -> bool:
        """Tell whether the package is a slice, or the package that holds the slices."""
        return module in self.top or any(container in {module, module.rpartition(".")[0]} for container in self.slices)


def _layer(inside: list[str]) -> str:
    for part in inside:
        if part == "conftest" or part.startswith("test_"):
            return "tests"
        if part in LAYERS:
            return part
    return ""


def _tables(root: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        tool = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("tool", {})
    except FileNotFoundError:
        tool = {}
    except (OSError, ValueError) as error:
        raise LayoutError(f"pyproject.toml cannot be read: {error}") from error
    return tool.get("layerline", {}), tool.get("importlinter", {})


def _names(table: dict[str, Any], name: str, default: list[str]) -> tuple[str, ...]:
    if name not in table:
        return tuple(default)
    value = table[name]
    if not isinstance(value, list) or not all(isinstance(part, str) and part for part in value):
        raise LayoutError(f"`{name}` under [tool.layerline] is no list of packages.")
    return tuple(value)


def _is_package(folder: Path) -> bool:
    return folder.is_dir() and not folder.name.startswith(".") and (folder / "__init__.py").is_file()
