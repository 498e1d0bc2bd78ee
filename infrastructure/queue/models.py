from collections.abc import Collection
from datetime import datetime, timedelta
from secrets import SystemRandom
from typing import Final, Self
from uuid import UUID

from django.db import connection, models
from django.db.models.functions import Now
from uuid6 import uuid7

from infrastructure import redaction
from infrastructure.origin import REQUEST_ID_LENGTH

# What is published and not done after this time is taken for lost: longer than the broker needs to return the work of
# a worker that died (visibility timeout, then the next sweep), so that a job that merely waits is seldom sent twice.
LOST_AFTER: Final = timedelta(seconds=180)
LONGEST_WAIT: Final = timedelta(hours=1)
FIRST_DELAY: Final = timedelta(seconds=60)
LONGEST_DELAY: Final = timedelta(hours=1)
GIVE_UP_AFTER: Final = timedelta(hours=24)
# A job whose process dies comes back at once; one that kills every process must not come back at once for ever.
IMMEDIATE_ATTEMPTS: Final = 3
# How long a finished row stays to be looked at, and how long a dead one to be replayed.
KEEP_DONE: Final = timedelta(days=7)
KEEP_DEAD: Final = timedelta(days=90)
LEASE: Final = timedelta(seconds=30)
# Jobs that failed together must not come back together.
JITTER: Final = (0.9, 1.1)
ERROR_LENGTH: Final = 300

_random: Final = SystemRandom()


class OutboxState(models.TextChoices):
    PENDING = "pending"
    PUBLISHED = "published"
    DONE = "done"
    DEAD = "dead"


_UNFINISHED: Final = (OutboxState.PENDING, OutboxState.PUBLISHED)


class OutboxQuerySet(models.QuerySet["OutboxRow"]):
    """Selections by time use the database's clock, the one that wrote the times: a host's own may be behind it."""

    def waiting(self) -> Self:
        """Rows that the broker does not have and whose time has come."""
        return self.filter(state=OutboxState.PENDING, next_attempt_at__lte=Now())

    def lost(self, *, unless_waiting: Collection[str] = ()) -> Self:
        """Rows that the broker was given and that nobody finished in time.

        Args:
            unless_waiting: Names of jobs that wait for their turn there, which is no loss for LONGEST_WAIT.
        """
        lost = self.filter(state=OutboxState.PUBLISHED, published_at__lte=Now() - LOST_AFTER)
        return lost.exclude(name__in=unless_waiting, published_at__gt=Now() - LONGEST_WAIT)

    def runnable(self) -> Self:
        """Rows that a worker may run: a message that outlived its row's failure must not cut the pause short."""
        return self.filter(state=OutboxState.PUBLISHED) | self.waiting()

    def unfinished(self) -> Self:
        return self.filter(state__in=_UNFINISHED)

    def done_for_long(self) -> Self:
        """Rows that nobody will look at any more."""
        return self.filter(state=OutboxState.DONE, done_at__lte=Now() - KEEP_DONE)

    def dead_for_long(self) -> Self:
        """Rows that nobody will replay any more."""
        return self.filter(state=OutboxState.DEAD, next_attempt_at__lte=Now() - KEEP_DEAD)

    def in_order(self) -> Self:
        """Leave out every row whose order key still has an earlier unfinished one.

        By one look into an index for each row. To look for any earlier row instead makes PostgreSQL join all with all,
        and a key whose first row is stuck for a day can have many.
        """
        first = OutboxRow.objects.first_of_key(models.OuterRef("order_key")).values("id")
        return self.filter(models.Q(order_key=None) | models.Q(id=models.Subquery(first)))

    def first_of_key(self, order_key: str | models.OuterRef) -> Self:
        """The row of a key whose turn it is, whether it waits or is on its way."""
        return self.unfinished().filter(order_key=order_key).order_by("created_at", "id")[:1]


class OutboxRow(models.Model):
    """One piece of work, recorded in the transaction that wanted it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=200)
    payload = models.JSONField()
    order_key = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001  # NULL equals no other key
    # A periodic firing is one row however many schedulers tick: unique by name and due time.
    due_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=16, choices=OutboxState.choices, default=OutboxState.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    # Set while an attempt has no outcome: if it still is when the next one begins, a process died over the job.
    started_at = models.DateTimeField(null=True, blank=True)
    next_attempt_at = models.DateTimeField(db_default=Now())
    first_failed_at = models.DateTimeField(null=True, blank=True)
    published_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=ERROR_LENGTH, blank=True, default="")
    # The database's clock, because the order within a key is told by it.
    created_at = models.DateTimeField(db_default=Now())
    request_id = models.CharField(max_length=REQUEST_ID_LENGTH, blank=True, default="")
    user_id = models.UUIDField(null=True, blank=True)

    objects = OutboxQuerySet.as_manager()

    class Meta:
        db_table = "outbox"
        verbose_name = "outbox row"
        constraints = [
            models.CheckConstraint(name="outbox_state_known", condition=models.Q(state__in=OutboxState.values)),
            models.CheckConstraint(
                name="outbox_done_at_when_done",
                condition=models.Q(state=OutboxState.DONE, done_at__isnull=False)
                | (~models.Q(state=OutboxState.DONE) & models.Q(done_at__isnull=True)),
            ),
            models.UniqueConstraint(
                name="outbox_one_row_a_firing", fields=["name", "due_at"], condition=models.Q(due_at__isnull=False)
            ),
        ]
        # Finished rows are nearly all of the table, and no index holds one but that of the clean-up.
        indexes = [
            models.Index(
                name="outbox_waiting", fields=["next_attempt_at"], condition=models.Q(state=OutboxState.PENDING)
            ),
            models.Index(
                name="outbox_in_flight", fields=["published_at"], condition=models.Q(state=OutboxState.PUBLISHED)
            ),
            models.Index(
                name="outbox_order",
                fields=["order_key", "created_at", "id"],
                condition=models.Q(state__in=_UNFINISHED, order_key__isnull=False),
            ),
            models.Index(name="outbox_dead", fields=["next_attempt_at"], condition=models.Q(state=OutboxState.DEAD)),
            models.Index(name="outbox_done", fields=["done_at"], condition=models.Q(state=OutboxState.DONE)),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.id} ({self.state})"

    def killed_too_many_processes(self) -> bool:
        return self.started_at is not None and self.attempts >= IMMEDIATE_ATTEMPTS

    def mark_started(self) -> None:
        self.attempts += 1
        self.started_at = Now()

    def mark_done(self) -> None:
        self.state = OutboxState.DONE
        self.started_at = None
        self.done_at = Now()
        self.last_error = ""

    def mark_failed(self, error: Exception, now: datetime) -> None:
        """Set the next attempt: after 60 s, then twice as long each time up to an hour, and none after 24 hours.

        Args:
            now: By the database's clock: a row that waits by another one could wait for years, or end at once.
        """
        self.started_at = None
        self.last_error = describe(error)
        self.first_failed_at = self.first_failed_at or now
        if now - self.first_failed_at >= GIVE_UP_AFTER:
            self.state = OutboxState.DEAD
            return
        self.state = OutboxState.PENDING
        self.next_attempt_at = now + _delay(self.attempts)


class BeatLeaseManager(models.Manager["BeatLease"]):
    """By the database's clock, which all beats share; no session lock, which a pooler in between would break."""

    def take(self, holder: UUID) -> bool:
        """Take the lease, or prolong it, unless another beat holds it; return whether it is the holder's now."""
        if not self.exists():
            self.bulk_create([BeatLease(pk=1)], ignore_conflicts=True)
        free = self.filter(models.Q(holder=holder) | models.Q(expires_at__lte=Now()))
        return bool(free.update(holder=holder, expires_at=Now() + LEASE))

    def confirm(self, holder: UUID) -> bool:
        """Tell whether the lease is still the holder's, and keep it so until the end of the transaction."""
        return self.select_for_update().filter(holder=holder, expires_at__gt=Now()).first() is not None

    def release(self, holder: UUID) -> None:
        self.filter(holder=holder).update(holder=None, expires_at=Now())


class BeatLease(models.Model):
    """Which beat fires: one row, made by the first that asks for it."""

    holder = models.UUIDField(null=True)
    expires_at = models.DateTimeField(db_default=Now())

    objects = BeatLeaseManager()

    class Meta:
        db_table = "beat_lease"

    def __str__(self) -> str:
        return f"{self.holder} until {self.expires_at:%H:%M:%S}"


def database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        (now,) = cursor.fetchone()
    return now  # type: ignore[no-any-return]  # a column of this type


def describe(error: Exception) -> str:
    """Return the error's class and the first line of its message, without what its form gives away.

    PostgreSQL puts the values of a row into the lines below the first, and mail servers repeat the recipient.
    """
    first_line = str(error).strip().partition("\n")[0]
    # NUL cannot be stored.
    return f"{type(error).__name__}: {redaction.text(first_line)}".replace("\x00", "")[:ERROR_LENGTH]


def _delay(attempts: int) -> timedelta:
    # The exponent is capped first: 2**10 minutes is far beyond the hour, and a huge power would overflow.
    growing = FIRST_DELAY * 2.0 ** min(attempts - 1, 10)
    return min(growing, LONGEST_DELAY) * _random.uniform(*JITTER)
