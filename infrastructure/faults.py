"""Errors that nobody foresaw and that are dealt with all the same: whoever reports them hears of them here."""

from typing import Final

from django.dispatch import Signal

# Sent with `error`, while what the work in hand is known by is still bound to the log. A request's errors have Django's
# own signal.
met: Final = Signal()
