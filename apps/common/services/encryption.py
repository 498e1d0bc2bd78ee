from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from apps.common.fields import Ciphertext, EncryptedCharField, reencrypted
from infrastructure import crypto


class EncryptionService:
    @staticmethod
    def reencrypt(*, column: EncryptedCharField, rows: Sequence[Any]) -> int:
        """Encrypt with the first key what another key wrote, and return how many values that were.

        The rows are held meanwhile, so that no other write is lost, and nothing of them but this column changes.
        Whoever keeps copies of them hears of it before the commit.

        Args:
            rows: The keys of the rows.
        """
        held: QuerySet[Any] = QuerySet(column.model).filter(pk__in=rows).order_by("pk").select_for_update()
        with transaction.atomic(durable=True):
            found = held.values_list("pk", Ciphertext(column.name))
            # None of them is the first key's, and none is nobody's.
            old = [(row, stored) for row, stored in found if stored and column.position_of_key(stored)]
            if old:
                _write(column, old)
                reencrypted.send(sender=column.model, column=column.name, keys=[row for row, _ in old])
        return len(old)


def _write(column: EncryptedCharField, old: Sequence[tuple[Any, str]]) -> None:
    meta = column.model._meta  # noqa: SLF001  # Django's documented name
    names = (meta.db_table, column.column, meta.pk.column)
    table, name, key = (connection.ops.quote_name(str(name)) for name in names)
    new = [(_anew(column, stored), meta.pk.get_db_prep_value(row, connection)) for row, stored in old]
    with connection.cursor() as cursor:
        # Past the ORM, which would encrypt a ciphertext once more and hold it against `max_length`.
        cursor.executemany(f"UPDATE {table} SET {name} = %s WHERE {key} = %s", new)  # noqa: S608  # names of models


def _anew(column: EncryptedCharField, stored: str) -> str:
    return crypto.encrypt(crypto.decrypt(stored, purpose=column.purpose), purpose=column.purpose)
