"""All source files of a project, found and parsed."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from layerline.contract.definitions import Definitions
from layerline.contract.flow import Flow
from layerline.contract.layout import Layout
from layerline.contract.modules import Module

_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages"})


@dataclass(frozen=True, eq=False)
class Project:
    """A project's modules, and the folders that hold code without being packages.

    Args:
        root: Its folder.
        layout: Which folders are what.
        modules: All modules by their dotted names.
        bare_folders: Folders that hold Python files, in themselves or below, and no `__init__.py`; each with the name
            of the first module below it.
    """

    root: Path
    layout: Layout
    modules: dict[str, Module]
    bare_folders: dict[str, str]

    @classmethod
    def read(cls, root: Path) -> Self:
        """Parse every file below the root packages.

        Raises:
            LayoutError: If pyproject.toml does not say where they are.
        """
        layout = Layout.read(root)
        modules: dict[str, Module] = {}
        bare_folders: dict[str, str] = {}
        for file in _files(root, layout.roots):
            path = file.relative_to(root)
            parts = path.with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            modules[name] = Module.read(file, path=path.as_posix(), name=name, place=layout.place(name))
            for folder in path.parents:
                if (
                    folder.parts
                    and folder.as_posix() not in bare_folders
                    and not (root / folder / "__init__.py").is_file()
                ):
                    bare_folders[folder.as_posix()] = name
        return cls(root, layout, modules, bare_folders)

    @cached_property
    def definitions(self) -> Definitions:
        return Definitions(self.modules)

    @cached_property
    def flows(self) -> "Flows":
        return Flows(self)


class Flows:
    """The values of each module's expressions, worked out when somebody asks."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._flows: dict[str, Flow] = {}

    def is_too_deep(self, module: Module) -> bool:
        """Tell whether somebody asked for the module's values, and not all could be worked out."""
        return module.name in self._flows and self._flows[module.name].is_too_deep

    def of(self, module: Module) -> Flow:
        """Return the module's values; those of a module that is being worked out, as far as they are known."""
        if module.name not in self._flows:
            flow = Flow(module, self._project.definitions, self.of)
            self._flows[module.name] = flow
            flow.run()
        return self._flows[module.name]


def _files(root: Path, packages: tuple[str, ...]) -> Iterator[Path]:
    for package in packages:
        for folder, names, files in os.walk(root / package):
            names[:] = sorted(name for name in names if not name.startswith(".") and name not in _SKIPPED)
            yield from (Path(folder, file) for file in sorted(files) if file.endswith(".py"))
