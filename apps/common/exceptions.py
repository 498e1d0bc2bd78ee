"""Domain errors. They carry a stable code and typed data, and know nothing of HTTP."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong with one field."""

    field: str
    code: str
    detail: str


class AppException(Exception):  # noqa: N818  # the name under which people of this architecture look for it
    """The root of all domain errors.

    Args:
        detail: A sentence for the person at the other end; the class's own where left out.
    """

    code = "internal_error"
    detail = "Something went wrong."

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or self.detail
        super().__init__(self.detail)


class InvalidInputError(AppException):
    """A value that has the right shape and yet breaks a rule."""

    code = "validation_error"
    detail = "Some fields are not valid."

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = tuple(errors)
        super().__init__()


class AuthenticationError(AppException):
    code = "authentication_failed"
    detail = "Sign in to do this."


class ForbiddenError(AppException):
    code = "forbidden"
    detail = "You are not allowed to do this."


class NotFoundError(AppException):
    code = "not_found"
    detail = "There is nothing here, or nothing that you may see."


@contextmanager
def blaming(field: str) -> Iterator[None]:
    """Turn what is not found in the block into an error of the field whose key was to lead there.

    Raises:
        InvalidInputError: If something is not found.
    """
    try:
        yield
    except NotFoundError:
        raise InvalidInputError([FieldError(field, "does_not_exist", "There is no such row.")]) from None


class ConflictError(AppException):
    code = "conflict"
    detail = "This conflicts with the present state."


class ThrottledError(AppException):
    """A limit that only the rules know of is reached.

    Args:
        retry_after: Seconds until it is worth another try.
    """

    code = "throttled"
    detail = "Too many tries. Wait before the next one."

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__()


class StillRunningError(ConflictError):
    detail = "The first request under this Idempotency-Key has not ended. Try again shortly."


class KeyReusedError(ConflictError):
    detail = "This Idempotency-Key stands for another request. Use a new one."


class UnavailableError(AppException):
    """Something this needs does not answer at the moment."""

    code = "service_unavailable"
    detail = "A service that this needs does not answer. Try again shortly."
