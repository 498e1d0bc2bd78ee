from typing import Any, Final

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, PolymorphicProxySerializer, extend_schema_serializer
from rest_framework import serializers

from apps.common.serializers import AnswerSerializer, StrictCharField, StrictSerializer
from apps.users.serializers.auth import CREDENTIALS_EXAMPLE, CredentialsSerializer
from apps.users.serializers.fields import TOKEN_LENGTH, PasswordField

# Room for a recovery code as it is shown, and for blanks.
_CODE_LENGTH: Final = 64
_RECOVERY_CODES: Final = ["mzxw-6ytb-onsw-q4tf", "gezd-gnbv-gy3t-qojq"]


class CodeField(StrictCharField):
    """A code of the app or a recovery code. No rule of form: a malformed one is a wrong one."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=_CODE_LENGTH, **kwargs)


@extend_schema_serializer(
    examples=[OpenApiExample("password", value={"password": "correct horse battery"}, request_only=True)]
)
class PasswordSerializer(StrictSerializer):
    """What an owner proves to be the owner by."""

    password = PasswordField(write_only=True)


@extend_schema_serializer(
    examples=[
        OpenApiExample("confirm", value={"password": "correct horse battery", "code": "287082"}, request_only=True)
    ]
)
class MfaConfirmSerializer(PasswordSerializer):
    """The password, and a code that the app shows."""

    code = CodeField(write_only=True)


@extend_schema_serializer(
    examples=[OpenApiExample("verify", value={"mfa_token": "eyJ…", "code": "287082"}, request_only=True)]
)
class MfaVerifySerializer(StrictSerializer):
    """What a login lacked: a code of the app, or a recovery code."""

    mfa_token = StrictCharField(max_length=TOKEN_LENGTH)
    code = CodeField(write_only=True)


_CHALLENGE_EXAMPLE: Final = OpenApiExample(
    "challenge", value={"mfa_required": True, "mfa_token": "eyJ…", "expires_in": 300}, response_only=True
)


@extend_schema_serializer(examples=[_CHALLENGE_EXAMPLE])
class ChallengeSerializer(AnswerSerializer):
    """The password was right, and the account has a second factor."""

    mfa_required = serializers.BooleanField(help_text="Always true.")
    mfa_token = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds until the token expires.")


LOGIN_ANSWER: Final = OpenApiResponse(
    PolymorphicProxySerializer(
        component_name="LoginAnswer",
        serializers=[CredentialsSerializer, ChallengeSerializer],
        resource_type_field_name=None,
    ),
    description="A pair, or the token under which the code is still to come.",
    examples=[CREDENTIALS_EXAMPLE, _CHALLENGE_EXAMPLE],
)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "setup",
            value={
                "secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
                "otpauth_uri": "otpauth://totp/Layerline:ada%40example.com?digits=6"
                "&secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&algorithm=SHA1&issuer=Layerline&period=30",
            },
            response_only=True,
        )
    ]
)
class MfaSetupSerializer(AnswerSerializer):
    """What the app needs to know."""

    secret = serializers.CharField(help_text="To type in, in base32.")
    otpauth_uri = serializers.CharField(help_text="To show as a QR code.")


@extend_schema_serializer(
    examples=[OpenApiExample("recovery codes", value={"recovery_codes": _RECOVERY_CODES}, response_only=True)]
)
class RecoveryCodesSerializer(serializers.Serializer[Any]):
    """Ten codes, each for one use. They are shown this once."""

    recovery_codes = serializers.ListField(child=serializers.CharField())


@extend_schema_serializer(
    examples=[OpenApiExample("on", value={"enabled": True, "recovery_codes_left": 9}, response_only=True)]
)
class MfaStatusSerializer(AnswerSerializer):
    enabled = serializers.BooleanField()
    recovery_codes_left = serializers.IntegerField()
