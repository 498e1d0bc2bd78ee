from typing import ClassVar

from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import AbstractBaseUser, PermissionsMixin
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Lower, Now
from django.utils import timezone
from uuid6 import uuid7

from apps.common.enums import Role
from apps.common.fields import EncryptedCharField, international_number, one_line
from apps.common.models import BaseModel
from apps.users.managers import SEARCH_VECTOR, UserManager
from infrastructure.origin import REQUEST_ID_LENGTH, USER_AGENT_LENGTH


class User(AbstractBaseUser, PermissionsMixin, BaseModel):
    """An account. The role decides over the API; is_staff and is_superuser open the admin site only."""

    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=150, validators=[one_line])
    phone = EncryptedCharField(max_length=16, null=True, blank=True, validators=[international_number])
    role = models.CharField(max_length=16, choices=Role, default=Role.USER)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField("may use the admin site", default=False)
    email_verified_at = models.DateTimeField(null=True, blank=True)
    avatar = models.CharField(max_length=255, blank=True, default="")
    # The address that will be the account's once it is confirmed.
    pending_email = EncryptedCharField(max_length=254, null=True, blank=True)
    # Since then the row tells nothing of anybody, and stays only for what refers to it.
    erased_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Tokens carry it; raising it ends every one of them.
    token_version = models.PositiveIntegerField(default=1, editable=False)
    # Raised by a trigger on every update, whoever makes it: the cache keeps the higher one.
    row_version = models.PositiveBigIntegerField(default=1, editable=False)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        db_table = "users"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                name="users_email_normalized",
                condition=Q(email=Lower(Func(F("email"), template="normalize(%(expressions)s, NFKC)"))),
            ),
            models.CheckConstraint(name="users_role_known", condition=Q(role__in=Role.values)),
            models.CheckConstraint(
                name="users_superuser_is_admin", condition=Q(is_superuser=False) | Q(role=Role.ADMIN)
            ),
            models.CheckConstraint(
                name="users_erased_is_nobody",
                condition=Q(erased_at__isnull=True)
                | Q(
                    is_active=False,
                    role=Role.USER,
                    is_staff=False,
                    name="",
                    phone__isnull=True,
                    pending_email__isnull=True,
                    email_verified_at__isnull=True,
                    avatar="",
                ),
            ),
        ]
        # One for each order and each narrow filter of the list, so that it costs the same however many there are. Lists
        # leave out the erased: with that column in it, an index is all that has to be read to count.
        indexes = [
            models.Index(fields=["created_at", "id"], include=["erased_at"], name="users_created"),
            models.Index(fields=["name", "id"], include=["erased_at"], name="users_name"),
            models.Index(fields=["role", "created_at", "id"], include=["erased_at"], name="users_role_created"),
            models.Index(fields=["is_active", "created_at", "id"], include=["erased_at"], name="users_active_created"),
            GinIndex(SEARCH_VECTOR, name="users_search"),
        ]

    def __str__(self) -> str:
        return self.email

    def __repr__(self) -> str:
        # What a log or an error report may hold.
        return f"<User: {self.pk}>"

    def check_password(self, raw_password: str | None) -> bool:
        """Tell whether the password is right, for the price of one hash; a hash of another kind or cost is replaced.

        Django's own, which its admin site logs in by, would write over a password that was changed since it was read.
        """

        def upgrade(raw: str | None) -> None:
            better = make_password(raw)
            if User.objects.filter(pk=self.pk, password=self.password).update(password=better):
                self.password = better

        return check_password(raw_password, self.password, upgrade)

    @property
    def email_verified(self) -> bool:
        return self.email_verified_at is not None


class FormerAddress(BaseModel):
    """The address that an account had before it was changed, until it has been told."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="former_addresses")
    email = EncryptedCharField(max_length=254)

    class Meta:
        db_table = "former_addresses"
        verbose_name_plural = "former addresses"
        indexes = [models.Index(fields=["created_at"], name="former_addresses_created")]

    def __str__(self) -> str:
        return f"of {self.user_id}"


class Session(BaseModel):
    """One login on one device. Its tokens come and go; when it has ended, none of them works."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sessions")
    # Where it was opened.
    address = models.GenericIPAddressField(null=True, blank=True)
    user_agent = models.CharField(max_length=USER_AGENT_LENGTH, blank=True, default="")
    # When its tokens were last refreshed: a write at each request would cost more than it tells.
    last_used_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "sessions"
        indexes = [models.Index(fields=["expires_at"], name="sessions_expires")]

    def __str__(self) -> str:
        return f"{self.user_id} since {self.created_at:%Y-%m-%d %H:%M}"


class RefreshToken(models.Model):
    """One refresh token, keyed by its jti: the claims to sign it again from, never the token."""

    id = models.UUIDField("jti", primary_key=True, editable=False)
    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="tokens")
    successor = models.OneToOneField(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="predecessor"
    )
    key_id = models.CharField(max_length=64)
    version = models.PositiveIntegerField()
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "refresh_tokens"
        indexes = [models.Index(fields=["expires_at"], name="refresh_tokens_expires")]

    def __str__(self) -> str:
        return str(self.id)


class TotpDevice(BaseModel):
    """The second factor of an account: an app that shows a new code every 30 s (RFC 6238)."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="totp_device")
    secret = EncryptedCharField(max_length=64)
    # Until then it is asked of nobody: the owner has not shown yet that the app knows the secret.
    confirmed_at = models.DateTimeField(null=True, blank=True)
    # A code is taken once: RFC 6238, section 5.2.
    last_step = models.BigIntegerField(null=True, blank=True)

    class Meta:
        db_table = "totp_devices"

    def __str__(self) -> str:
        return f"of {self.user_id}"


class RecoveryCode(BaseModel):
    """One way in without the app, for one use; hashed like a password, for that is what it is."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "recovery_codes"
        constraints = [models.UniqueConstraint(fields=["user", "digest"], name="recovery_codes_unique")]

    def __str__(self) -> str:
        return f"of {self.user_id}"


class MfaChallenge(BaseModel):
    """One login whose password was right and whose second factor is still to come."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="mfa_challenges")
    # The account's token version at the password: a change of password in between ends the challenge.
    version = models.PositiveIntegerField()
    attempts = models.PositiveSmallIntegerField(default=0)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "mfa_challenges"
        indexes = [models.Index(fields=["expires_at"], name="mfa_challenges_expires")]

    def __str__(self) -> str:
        return f"of {self.user_id}"


class AuditEntry(models.Model):
    """Who did what to which account, from where. A trigger refuses every change of a row.

    Accounts are named by id and without a foreign key: an entry outlives what it tells of.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    action = models.CharField(max_length=64)
    actor_id = models.UUIDField(null=True, blank=True)
    account_id = models.UUIDField(null=True, blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)
    user_agent = models.CharField(max_length=USER_AGENT_LENGTH, blank=True, default="")
    request_id = models.CharField(max_length=REQUEST_ID_LENGTH, blank=True, default="")
    # Names of fields, ids, counts: never a value that somebody typed.
    details = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "audit_entries"
        verbose_name_plural = "audit entries"
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["account_id", "created_at"], name="audit_account"),
            models.Index(fields=["actor_id", "created_at"], name="audit_actor"),
            models.Index(fields=["created_at"], name="audit_created"),
            models.Index(fields=["request_id"], name="audit_request"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.created_at:%Y-%m-%d %H:%M}"
