"""Tokens for the links of mails: derived where a mail is sent, so that no table, broker or cache need hold them.

A token is 64 bytes in base64url: the account's id, the job's id, and an HMAC-SHA256 over both, the purpose and the
state of the account that using the link changes. So a job that is tried again sends the same token, a used one fits no
longer, and its age is that of the job, whose id is a UUIDv7 and carries its time.
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from typing import Final, Self
from uuid import UUID

from django.utils.crypto import salted_hmac

LENGTH: Final = 86
_SHAPE: Final = re.compile(rf"[A-Za-z0-9_-]{{{LENGTH}}}")
_ID_BYTES: Final = 16
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class LinkError(Exception):
    """A text that is no token of ours, whatever it was made for."""


@dataclass(frozen=True, slots=True)
class LinkToken:
    """What a token says; believe it once `fits` has said yes."""

    user_id: UUID
    job_id: UUID
    signature: bytes = field(repr=False)

    @classmethod
    def sign(cls, *, purpose: str, user_id: UUID, job_id: UUID, state: Sequence[str]) -> Self:
        """Make the token of this job for this purpose; the same arguments make the same one.

        Args:
            state: Whatever is to end the token when it changes, in a fixed order.
        """
        return cls(user_id, job_id, _signature(purpose, user_id, job_id, state))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take a token apart.

        Raises:
            LinkError: If it has another shape, or is another spelling of the same bytes.
        """
        if not _SHAPE.fullmatch(text):
            raise LinkError
        raw = urlsafe_b64decode(f"{text}==")
        user_id, job_id = UUID(bytes=raw[:_ID_BYTES]), UUID(bytes=raw[_ID_BYTES : 2 * _ID_BYTES])
        token = cls(user_id, job_id, raw[2 * _ID_BYTES :])
        if token.encode() != text:
            raise LinkError
        return token

    def encode(self) -> str:
        """Return the text that goes into the link, and nowhere else."""
        raw = self.user_id.bytes + self.job_id.bytes + self.signature
        return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")

    def fits(self, *, purpose: str, state: Sequence[str]) -> bool:
        """Tell whether it was made by us for this purpose and this state; takes the same time for every wrong one."""
        return compare_digest(self.signature, _signature(purpose, self.user_id, self.job_id, state))

    @property
    def issued_at(self) -> datetime:
        """When its job was recorded. Only of a token that fits: a forged one may lie beyond the calendar."""
        # RFC 9562, section 5.7: the first 48 bits are milliseconds.
        return _EPOCH + timedelta(milliseconds=self.job_id.int >> 80)


def _signature(purpose: str, user_id: UUID, job_id: UUID, state: Sequence[str]) -> bytes:
    # As JSON, so that no two lists of parts are the same bytes.
    message = json.dumps([purpose, str(user_id), str(job_id), *state])
    return salted_hmac("infrastructure.links", message, algorithm="sha256").digest()
