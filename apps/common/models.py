from typing import Final

from django.db import models
from django.db.models.functions import Now
from uuid6 import uuid7

from apps.common.fields import EncryptedCharField

# More than any answer has that a body of a mebibyte could lead to.
ANSWER_LENGTH: Final = 16 * 1024 * 1024


class TimeStampedModel(models.Model):
    created_at = models.DateTimeField(auto_now_add=True, editable=False)
    updated_at = models.DateTimeField(auto_now=True, editable=False)

    class Meta:
        abstract = True


class UUIDModel(models.Model):
    """Keys that tell nothing and still grow with time, so that an index stays local: UUIDv7, RFC 9562."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)

    class Meta:
        abstract = True


class BaseModel(UUIDModel, TimeStampedModel):
    class Meta:
        abstract = True


class IdempotencyKey(UUIDModel):
    """What a user was answered under an `Idempotency-Key`, so that a second try gets the same and does nothing."""

    user_id = models.UUIDField()
    route = models.CharField(max_length=255)
    # Keyed hashes of the key, and of the request that came with it.
    digest = models.CharField(max_length=64)
    fingerprint = models.CharField(max_length=64)
    # Whatever the route answers: a phone number or an address may be in it.
    answer = EncryptedCharField(max_length=ANSWER_LENGTH)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "idempotency_keys"
        constraints = [models.UniqueConstraint(fields=["user_id", "route", "digest"], name="idempotency_keys_unique")]
        indexes = [models.Index(fields=["created_at"], name="idempotency_keys_created")]

    def __str__(self) -> str:
        return f"{self.route} {self.created_at:%Y-%m-%d %H:%M}"
