"""Every address of the project."""

from django.apps import apps
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.decorators.http import require_safe
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerSplitView

from apps.common.urls import health_urlpatterns
from apps.common.views import AsyncApiView, unknown_path
from apps.users.admin import OwnPasswordView
from config import routing

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", include("apps.users.urls")),
    path("api/v1/", include("apps.chat.urls")),
    path("api/schema/", require_safe(SpectacularAPIView.as_view(throttle_classes=[])), name="schema"),
    path("api/docs/", require_safe(SpectacularSwaggerSplitView.as_view(throttle_classes=[])), name="docs"),
    path("api/redoc/", require_safe(SpectacularRedocView.as_view(throttle_classes=[])), name="redoc"),
    path(
        "api/asyncapi.yaml",
        require_safe(AsyncApiView.as_view(routes=routing.websocket_urlpatterns)),
        name="asyncapi",
    ),
    path("api/", include("apps.common.urls")),
    # Last below /api/, so that an unknown path is a problem document in every environment.
    re_path(r"^api/", unknown_path),
    path("health/", include(health_urlpatterns)),
    # Before Django's own, which would change the password past the service.
    path("admin/password_change/", admin.site.admin_view(OwnPasswordView.as_view())),
    path("admin/", admin.site.urls),
]

if apps.is_installed("layerline.devpages"):
    urlpatterns.append(path("", include("layerline.devpages.urls")))
