"""A request's money: reserved before each call, settled after it."""

from __future__ import annotations


class Ledger:
    """What a request has spent and has promised to spend, in 1e-12 USD.

    Calls that run at once share one ledger; no await stands between looking and reserving, so they can't overrun it
    together. A budget narrows and never errs: while there is no answer, one call for it may run beyond the limit, so a
    request costs at most its limit and one call.
    """

    def __init__(self, limit: int | None) -> None:
        """Make a ledger; `limit` None means none."""
        self._limit = limit
        self._reserved = 0
        #: Settled so far.
        self.spent = 0

    def reserve(self, worst: int, *, keep: int = 0, needed: bool = False) -> bool:
        """Set `worst` aside when it fits.

        Args:
            worst: what the call may cost.
            keep: what must be left for others after it.
            needed: without this call there is no answer at all; it runs when nothing else does and the limit is not
                reached yet.
        """
        if self._limit is not None and self.spent + self._reserved + worst + keep > self._limit:
            alone = not self._reserved and (not self.spent or self.spent < self._limit)
            if not (needed and alone):
                return False
        self._reserved += worst
        return True

    def settle(self, worst: int, actual: int) -> None:
        """Turn a reservation into what the call cost."""
        self._reserved -= worst
        self.spent += actual
