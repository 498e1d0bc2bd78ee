"""What `document_flows` runs under: the tests' settings, and servers that may take their time.

A busy machine must not change a page: a Redis that is given up after half a second is a flow of another kind.
"""

from typing import Any, Final

from .test import *  # noqa: F403  # settings modules stack

_PATIENCE: Final = 30

LAYERLINE_FLOWS = PROJECT_ROOT / "docs" / "flows"  # noqa: F405  # from base
LAYERLINE_SIGN_IN = "apps.users.management.sign_in.signed_in"

_database: dict[str, Any] = DATABASES["default"]  # noqa: F405  # from base
_database["TEST"] = {"NAME": f"test_{_database['NAME']}_flows"}
_database["OPTIONS"]["connect_timeout"] = _database["OPTIONS"]["pool"]["timeout"] = _PATIENCE

_redis: Any = CACHES["default"]["OPTIONS"]  # noqa: F405  # from base
_redis["SOCKET_CONNECT_TIMEOUT"] = _redis["SOCKET_TIMEOUT"] = _PATIENCE
CELERY_BROKER_TRANSPORT_OPTIONS |= {"socket_connect_timeout": _PATIENCE, "socket_timeout": _PATIENCE}  # noqa: F405  # from base
