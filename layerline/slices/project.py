"""What a slice must not collide with in the project that it comes into, and what it refers to there."""

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver

from layerline.slices.errors import SliceError
from layerline.slices.fields import Field
from layerline.slices.plan import Slice
from layerline.slices.registration import SETTINGS


def check(slice_: Slice, root: Path) -> None:
    """Refuse a slice that the project has no room for.

    Raises:
        SliceError: If a name is taken, or a reference leads nowhere.
    """
    if (root / "apps" / slice_.name).exists():
        raise SliceError(f"apps/{slice_.name} exists already, and nothing is ever overwritten.")
    _check_loaded(root)
    if slice_.name in {app.label for app in apps.get_app_configs()}:
        raise SliceError(f"{slice_.name!r} is the label of an app that is installed already. Choose another name.")
    tables = {model._meta.db_table: model._meta.label for model in apps.get_models()}  # noqa: SLF001  # Django's documented name
    if slice_.plural in tables:
        raise SliceError(f"The table {slice_.plural} belongs to {tables[slice_.plural]}. Choose another model name.")
    if slice_.api:
        _check_addresses(slice_)
        _check_component(slice_, root)
    for field in slice_.refs:
        _check_target(field)


def _check_loaded(root: Path) -> None:
    """Refuse to go on where another slice was written or taken back after this process had loaded the project."""
    listed = set(re.findall(r'^    "(apps\.\w+)",$', (root / SETTINGS).read_text("utf-8"), re.MULTILINE))
    if listed != {name for name in settings.INSTALLED_APPS if name.startswith("apps.")}:
        raise SliceError(f"{SETTINGS} was changed a moment ago, by another slice perhaps. Run this once more.")


def _check_addresses(slice_: Slice) -> None:
    first, routes = _addresses(get_resolver().url_patterns)
    if slice_.address in first:
        raise SliceError(f"/api/v1/{slice_.address}/ exists already. Choose another model name.")
    taken = {slice_.route, slice_.route_plural} & routes
    if taken:
        raise SliceError(f"A route is called {taken.pop()!r} already. Choose another model name.")
    if slice_.route == slice_.route_plural:
        raise SliceError(f"{slice_.model} has no plural of its own. Choose another model name.")


def _addresses(patterns: list[URLPattern | URLResolver], prefix: str = "") -> tuple[set[str], set[str]]:
    """Return the first parts of the addresses below /api/v1/, and the names of all routes."""
    first, routes = set(), set()
    for pattern in patterns:
        address = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            deeper = _addresses(pattern.url_patterns, address)
            first |= deeper[0]
            routes |= deeper[1] if pattern.namespace is None else set()
        else:
            first |= set(re.findall(r"^api/v1/([\w-]+)/", address))
            routes |= {str(pattern.name)}
    return first, routes


def _check_component(slice_: Slice, root: Path) -> None:
    """Refuse a name that a serializer has: both would be one component of the OpenAPI document."""
    apps = root / "apps"
    folders = ("*/serializers.py", "*/serializers/**/*.py", "*/frames.py", "common/schema/*.py")
    sources = [source for folder in folders for source in apps.glob(folder)]
    classes = {
        name for source in sources for name in re.findall(r"^class (\w+)", source.read_text("utf-8"), re.MULTILINE)
    }
    for name in (f"{slice_.model}Serializer", f"{slice_.model}WriteSerializer"):
        if name in classes:
            raise SliceError(f"There is a {name} already. Choose another model name.")


def _check_target(field: Field) -> None:
    slice_, model = field.target or ("", "")
    if f"{slice_}.{model.lower()}" not in {found._meta.label_lower for found in apps.get_models()}:  # noqa: SLF001  # Django's documented name
        raise SliceError(f"{field.name}: there is no model {slice_}.{model}.")
    if apps.get_model(slice_, model).__name__ != model or apps.get_app_config(slice_).name != f"apps.{slice_}":
        raise SliceError(f"{field.name}: a reference leads to a model of a slice, spelt as it is.")
    by_id = getattr(_look_up(f"apps.{slice_}.selectors", f"{model}Selector"), "by_id", None)
    if by_id is None or list(inspect.signature(by_id).parameters) != [field.target_id]:
        raise SliceError(
            f"{field.name}: the service would ask {model}Selector.by_id({field.target_id}=…), "
            f"and apps/{slice_}/selectors.py has no such method. Write it first."
        )
    if _look_up(f"apps.{slice_}.tests.factories", f"{model}Factory") is None:
        raise SliceError(
            f"{field.name}: the tests would use {model}Factory, and apps/{slice_}/tests/factories.py has none. "
            "Write it first."
        )


def _look_up(module: str, name: str) -> Any:
    try:
        return getattr(import_module(module), name, None)
    except ModuleNotFoundError:
        return None
