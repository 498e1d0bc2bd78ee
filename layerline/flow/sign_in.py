"""How a request of local use is signed in, which only the project knows."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string


def signed_in(actor: str) -> AbstractContextManager[dict[str, str]]:
    """Give the headers of whoever the requests in the block are sent as; none for nobody.

    `settings.LAYERLINE_SIGN_IN` names a context manager that takes an e-mail address and gives headers.

    Raises:
        LookupError: On entering the block, if there is no such account.
    """
    if not actor:
        return nullcontext({})
    local: Any = settings
    signed_in_as: AbstractContextManager[dict[str, str]] = import_string(local.LAYERLINE_SIGN_IN)(actor)
    return signed_in_as
