"""What a slice uses, it imports: nothing is looked up by a string.

The incident: a slice fetched another's model with `apps.get_model("billing", "Invoice")`, past every import contract.
Billing was taken out of the product; the tests of that slice passed, and its nightly task failed in production.

Migrations and apps.py are where Django itself wants such a look-up.

BAD (apps/rooms/services.py):
    from django.apps import apps

    class RoomService:
        @staticmethod
        def close_all() -> None:
            apps.get_model("rooms", "Room").objects.update(is_open=False)

GOOD (apps/rooms/services.py):
    from apps.rooms.models import Room

    class RoomService:
        @staticmethod
        def close_all() -> None:
            Room.objects.update(is_open=False)
"""

from collections.abc import Iterator
from typing import Final

from layerline.contract.rule import Hit, Rule, Source, at, in_slices_except

_LOOKUPS: Final = frozenset(
    {
        "builtins.__import__",
        "django.apps.apps.get_app_config",
        "django.apps.apps.get_model",
        "django.apps.apps.get_models",
        "django.apps.registry.apps.get_model",
        "django.contrib.auth.get_user_model",
        "django.utils.module_loading.import_string",
        "importlib.__import__",
        "importlib.import_module",
        "pkgutil.resolve_name",
        "runpy.run_module",
    }
)


def _find(source: Source) -> Iterator[Hit]:
    for node, name in source.references():
        if name in _LOOKUPS:
            yield at(node, f"looks code up with `{name.rpartition('.')[2]}`, past the import contract")


RULE: Final = Rule(
    name="naked-lookup",
    doc=__doc__,
    mend="import it, or take it as an argument; a foreign key names `settings.AUTH_USER_MODEL`",
    applies=in_slices_except("apps", "migrations"),
    find=_find,
)
