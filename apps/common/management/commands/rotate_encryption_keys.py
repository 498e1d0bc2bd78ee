import re
from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from apps.common.fields import EncryptedCharField, encrypted_columns
from apps.common.selectors import EncryptionSelector
from apps.common.services import EncryptionService
from apps.common.types import EncryptedValue
from infrastructure.redis import RedisUnavailable

# As many as help to find them; the count is told anyway.
_UNREADABLE_SHOWN: Final = 100

type Batches = Iterator[list[EncryptedValue]]


class Command(BaseCommand):
    """Changing the key of everything that is encrypted: see docs/configuration.md, which tells in which order."""

    help = (
        "Encrypt with the first of FIELD_ENCRYPTION_KEYS what is encrypted with another of them. It may be stopped at "
        "any time and run again, beside running servers."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        instead = parser.add_mutually_exclusive_group()
        instead.add_argument(
            "--check",
            action="store_true",
            help="change nothing; tell how many values each key holds, and fail unless the first one holds all",
        )
        instead.add_argument("--dry-run", action="store_true", help="change nothing; tell what would be changed")
        parser.add_argument("--batch-size", type=_size, default=500, help="values in one transaction (default: 500)")

    def handle(self, *, check: bool, dry_run: bool, batch_size: int, **_: Any) -> None:
        self._refuse_foreign_keys(batch_size)
        uses = {
            column: self._walk(column, batch_size, write=not check and not dry_run) for column in encrypted_columns()
        }
        if check:
            self._report(uses)
        else:
            self._tell(uses, "would be encrypted" if dry_run else "were encrypted")

    def _refuse_foreign_keys(self, size: int) -> None:
        """Stop before anything is done where not one value fits: then the keys are wrong, and not the values."""
        looked_at = [
            value.key
            for column in encrypted_columns()
            for value in EncryptionSelector.values(column=column, after=None, size=size)
        ]
        if looked_at and not any(key is not None for key in looked_at):
            raise CommandError(
                f"None of {len(looked_at)} values fits a key of FIELD_ENCRYPTION_KEYS: they were written with others. "
                "Nothing was changed."
            )

    def _walk(self, column: EncryptedCharField, size: int, *, write: bool) -> Counter[int | None]:
        """Go through a column, writing or only looking, and return how many values each key held."""
        use: Counter[int | None] = Counter()
        for values in self._batches(column, size):
            use.update(value.key for value in values)
            self._tell_unreadable(column, values, use[None])
            old = [value.row for value in values if value.key]
            if write and old:
                self._reencrypt(column, old)
        return use

    def _batches(self, column: EncryptedCharField, size: int) -> Batches:
        """Yield the column's values and show how far they are: a bar to a person, a line at each tenth to a file."""
        total = EncryptionSelector.count(column=column)
        done, after = 0, None
        with tqdm(total=total, desc=column.purpose, unit=" values", disable=None if total else True) as bar:
            while values := EncryptionSelector.values(column=column, after=after, size=size):
                yield values
                before, done, after = done, done + len(values), values[-1].row
                bar.update(len(values))
                if bar.disable and _tenths(before, total) < _tenths(done, total):
                    self.stdout.write(f"{column.purpose}: {done:,} of {total:,}")
                    self.stdout.flush()

    def _reencrypt(self, column: EncryptedCharField, rows: list[Any]) -> None:
        try:
            EncryptionService.reencrypt(column=column, rows=rows)
        except RedisUnavailable:
            raise CommandError(
                "Redis does not answer, and copies in it would outlive the old key. What is done is done; run this "
                "again when it does."
            ) from None

    def _tell_unreadable(self, column: EncryptedCharField, values: list[EncryptedValue], so_far: int) -> None:
        unreadable = [value.row for value in values if value.key is None]
        room = max(0, _UNREADABLE_SHOWN - (so_far - len(unreadable)))
        for row in unreadable[:room]:
            self.stderr.write(f"{column.purpose} of {row}: no key fits")

    def _report(self, uses: dict[EncryptedCharField, Counter[int | None]]) -> None:
        total: Counter[int | None] = sum(uses.values(), Counter())
        keys = [*range(len(settings.FIELD_ENCRYPTION_KEYS)), None]
        titles = [f"key {key + 1}" if key is not None else "no key" for key in keys]
        self.stdout.write("".join([f"{'':<30}", *(f"{title:>12}" for title in titles)]))
        for column, use in uses.items():
            self.stdout.write("".join([f"{column.purpose:<30}", *(f"{use[key]:>12,}" for key in keys)]))
        if total[0] < total.total():
            raise CommandError("Not every value is encrypted with the first key: remove none.")
        self.stdout.write("Every value is encrypted with the first key: the others can be removed.")

    def _tell(self, uses: dict[EncryptedCharField, Counter[int | None]], verb: str) -> None:
        for column, use in uses.items():
            old = use.total() - use[0] - use[None]
            self.stdout.write(f"{column.purpose}: {old:,} of {use.total():,} values {verb} anew")
        unreadable = sum(use[None] for use in uses.values())
        if unreadable:
            raise CommandError(f"{unreadable:,} values fit no key, and are as they were.")


def _tenths(done: int, total: int) -> int:
    # The first value may have come in after it was counted that there is none.
    return done * 10 // max(1, total)


def _size(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,3}", text):
        raise ArgumentTypeError("must be a whole number from 1 to 9999")
    return int(text)
