from django.conf import settings
from django.http import HttpRequest


def environment(request: HttpRequest) -> dict[str, str]:  # noqa: ARG001  # Django's signature
    """Name the environment that the admin site shows, so that nobody takes production for a playground."""
    return {"environment": "LOCAL" if settings.DEBUG else ""}
