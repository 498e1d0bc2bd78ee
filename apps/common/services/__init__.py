"""What writes and belongs to no slice: one class for each subject, one module for each class."""

from apps.common.services.encryption import EncryptionService
from apps.common.services.idempotency import IdempotencyService

__all__ = ["EncryptionService", "IdempotencyService"]
