"""Layers, and which module of a slice belongs to which of them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from django.conf import settings


class Layer(StrEnum):
    MIDDLEWARE = "middleware"
    AUTHENTICATION = "authentication"
    THROTTLE = "throttle"
    PERMISSION = "permission"
    PARSER = "parser"
    VIEW = "view"
    CONSUMER = "consumer"
    TASK = "task"
    JOB = "job"
    COMMAND = "command"
    ADMIN = "admin"
    FILTER = "filter"
    PAGINATOR = "paginator"
    SERIALIZER = "serializer"
    RENDERER = "renderer"
    SERVICE = "service"
    SELECTOR = "selector"
    ON_COMMIT = "on commit"
    MAIL = "mail"
    CHANNEL = "channel layer"


# Where a False refuses the request.
GATES: Final = {Layer.PERMISSION, Layer.THROTTLE}
# The modules whose classes hold static methods, which no base class leads to.
NAMESPACES: Final = {"services": Layer.SERVICE, "selectors": Layer.SELECTOR}


@dataclass(frozen=True, slots=True)
class House:
    """The packages that hold slices; a slice is a package directly below one of them.

    Args:
        packages: Such as `("apps",)`, for the slices `apps.users` and `apps.chat`.
    """

    packages: tuple[str, ...]

    @classmethod
    def of_settings(cls) -> Self:
        return cls(tuple(settings.LAYERLINE_SLICES))

    def owns(self, module: str) -> bool:
        """Tell whether a module belongs to a slice."""
        return any(module.startswith(f"{package}.") for package in self.packages)

    def namespace(self, module: str) -> Layer | None:
        """Return the layer of a module of services or selectors, which may be a package of them; else None."""
        for package in self.packages:
            if module.startswith(f"{package}."):
                _slice, _, path = module.removeprefix(f"{package}.").partition(".")
                return NAMESPACES.get(path.partition(".")[0])
        return None
