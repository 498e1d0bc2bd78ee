"""The doors for HTTP: one module for each group of addresses."""

from apps.users.views.auth import AuthViewSet
from apps.users.views.avatars import AvatarViewSet, OwnAvatarViewSet
from apps.users.views.emails import EmailChangeViewSet, EmailResendViewSet, EmailVerifyViewSet
from apps.users.views.erasure import ErasureViewSet
from apps.users.views.me import MeViewSet
from apps.users.views.mfa import MfaStatusViewSet, MfaVerifyViewSet, MfaViewSet
from apps.users.views.passwords import PasswordChangeViewSet, PasswordResetConfirmViewSet, PasswordResetViewSet
from apps.users.views.sessions import LogoutAllViewSet, SessionViewSet, TicketViewSet
from apps.users.views.users import UserViewSet

__all__ = [
    "AuthViewSet",
    "AvatarViewSet",
    "EmailChangeViewSet",
    "EmailResendViewSet",
    "EmailVerifyViewSet",
    "ErasureViewSet",
    "LogoutAllViewSet",
    "MeViewSet",
    "MfaStatusViewSet",
    "MfaVerifyViewSet",
    "MfaViewSet",
    "OwnAvatarViewSet",
    "PasswordChangeViewSet",
    "PasswordResetConfirmViewSet",
    "PasswordResetViewSet",
    "SessionViewSet",
    "TicketViewSet",
    "UserViewSet",
]
