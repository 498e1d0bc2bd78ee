"""What travels: one module for each group of addresses."""

from apps.users.serializers.auth import CredentialsSerializer, LoginSerializer, RefreshSerializer, RegisterSerializer
from apps.users.serializers.avatars import AvatarSerializer
from apps.users.serializers.emails import EmailChangeSerializer, EmailVerifySerializer
from apps.users.serializers.erasure import ErasureSerializer
from apps.users.serializers.mfa import (
    LOGIN_ANSWER,
    ChallengeSerializer,
    MfaConfirmSerializer,
    MfaSetupSerializer,
    MfaStatusSerializer,
    MfaVerifySerializer,
    PasswordSerializer,
    RecoveryCodesSerializer,
)
from apps.users.serializers.passwords import (
    PasswordChangeSerializer,
    PasswordResetConfirmSerializer,
    PasswordResetSerializer,
)
from apps.users.serializers.sessions import SessionSerializer, TicketSerializer
from apps.users.serializers.users import (
    AdminUserUpdateSerializer,
    ProfileSerializer,
    UserDetailSerializer,
    UserSerializer,
    UserUpdateSerializer,
)

__all__ = [
    "LOGIN_ANSWER",
    "AdminUserUpdateSerializer",
    "AvatarSerializer",
    "ChallengeSerializer",
    "CredentialsSerializer",
    "EmailChangeSerializer",
    "EmailVerifySerializer",
    "ErasureSerializer",
    "LoginSerializer",
    "MfaConfirmSerializer",
    "MfaSetupSerializer",
    "MfaStatusSerializer",
    "MfaVerifySerializer",
    "PasswordChangeSerializer",
    "PasswordResetConfirmSerializer",
    "PasswordResetSerializer",
    "PasswordSerializer",
    "ProfileSerializer",
    "RecoveryCodesSerializer",
    "RefreshSerializer",
    "RegisterSerializer",
    "SessionSerializer",
    "TicketSerializer",
    "UserDetailSerializer",
    "UserSerializer",
    "UserUpdateSerializer",
]
