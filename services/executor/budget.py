"""A request's money: reserved before each call, settled after it."""

from __future__ import annotations


class Ledger:
    """What a request has spent and has promised to spend, in 1e-12 USD.

    Calls that run at once share one ledger; no await stands between looking and reserving, so they can't overrun it
    together.
    """

    def __init__(self, limit: int | None) -> None:
        """Make a ledger; `limit` None means none."""
        self._limit = limit
        self._reserved = 0
        #: Settled so far.
        self.spent = 0

    def reserve(self, worst: int) -> bool:
        """Set `worst` aside when it fits, or when nothing is spent or promised yet: a budget narrows and never errs."""
        promised = self.spent + self._reserved
        if promised and self._limit is not None and promised + worst > self._limit:
            return False
        self._reserved += worst
        return True

    def settle(self, worst: int, actual: int) -> None:
        """Turn a reservation into what the call cost."""
        self._reserved -= worst
        self.spent += actual
