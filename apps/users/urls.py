from django.urls import path

from apps.users.views import (
    AuthViewSet,
    AvatarViewSet,
    EmailChangeViewSet,
    EmailResendViewSet,
    EmailVerifyViewSet,
    ErasureViewSet,
    LogoutAllViewSet,
    MeViewSet,
    OwnAvatarViewSet,
    PasswordChangeViewSet,
    PasswordResetConfirmViewSet,
    PasswordResetViewSet,
    UserViewSet,
)

urlpatterns = [
    path("auth/register/", AuthViewSet.as_view({"post": "register"}), name="auth-register"),
    path("auth/login/", AuthViewSet.as_view({"post": "login"}), name="auth-login"),
    path("auth/refresh/", AuthViewSet.as_view({"post": "refresh"}), name="auth-refresh"),
    path("auth/logout/", AuthViewSet.as_view({"post": "logout"}), name="auth-logout"),
    path("auth/logout-all/", LogoutAllViewSet.as_view({"post": "create"}), name="auth-logout-all"),
    path("auth/me/", MeViewSet.as_view({"get": "retrieve", "patch": "partial_update"}), name="auth-me"),
    path("auth/me/avatar/", OwnAvatarViewSet.as_view({"put": "update", "delete": "destroy"}), name="auth-me-avatar"),
    path("auth/me/erase/", ErasureViewSet.as_view({"post": "create"}), name="auth-me-erase"),
    path("auth/password/change/", PasswordChangeViewSet.as_view({"post": "create"}), name="auth-password-change"),
    path("auth/password/reset/", PasswordResetViewSet.as_view({"post": "create"}), name="auth-password-reset"),
    path(
        "auth/password/reset/confirm/",
        PasswordResetConfirmViewSet.as_view({"post": "create"}),
        name="auth-password-reset-confirm",
    ),
    path("auth/email/verify/", EmailVerifyViewSet.as_view({"post": "create"}), name="auth-email-verify"),
    path("auth/email/verify/resend/", EmailResendViewSet.as_view({"post": "create"}), name="auth-email-resend"),
    path("auth/email/change/", EmailChangeViewSet.as_view({"post": "create"}), name="auth-email-change"),
    path("users/", UserViewSet.as_view({"get": "list"}), name="users"),
    path(
        "users/<uuid:user_id>/",
        UserViewSet.as_view(
            {"get": "retrieve", "put": "update", "patch": "partial_update", "delete": "destroy"},
        ),
        name="user",
    ),
    path("users/<uuid:user_id>/avatar/", AvatarViewSet.as_view({"get": "retrieve"}), name="user-avatar"),
    path("users/<uuid:user_id>/reactivate/", UserViewSet.as_view({"post": "reactivate"}), name="user-reactivate"),
]
