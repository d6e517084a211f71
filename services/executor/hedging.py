"""Hedged calls: when a model's first word is later than usual, another one is asked too (Dean & Barroso, CACM 2013).

The trigger is the time to the first word and not to the last: how long an answer takes is mostly how long it is. Of a
call that is not streamed the first word comes with the last. Hedges are bought with tokens that calls earn, so that a
provider's outage does not double everybody's calls.
"""

from __future__ import annotations

from collections import deque
from typing import Final

#: Waiting times that are kept of a model, and how many of them are needed before they say what is usual.
_KEPT: Final = 200
_NEEDED: Final = 20
_PERCENT: Final = 95
#: Seconds that are waited at least: below that a second call gains nobody anything.
_LEAST_S: Final = 0.25
#: Calls that earn one hedge, and how many calls' earnings can be saved up.
_PRICE: Final = 10
_SAVED: Final = 100


class Hedges:
    """How long models take to their first word, and how many hedges are left. One for the process."""

    def __init__(self) -> None:
        """Begin with one hedge, and knowing nothing."""
        self._waits: dict[tuple[str, bool], deque[float]] = {}
        self._earned = _PRICE

    def observe(self, model: str, wait_s: float, *, streamed: bool) -> None:
        """Note that a model's first word came after `wait_s` seconds."""
        waits = self._waits.setdefault((model, streamed), deque(maxlen=_KEPT))
        waits.append(wait_s)
        self._earned = min(_SAVED, self._earned + 1)

    def patience_s(self, model: str, *, streamed: bool) -> float | None:
        """Return the seconds after which a first word is late, or None while nobody knows."""
        waits = self._waits.get((model, streamed), ())
        if len(waits) < _NEEDED:
            return None
        rank = -(-len(waits) * _PERCENT // 100)  # rounded up
        return max(_LEAST_S, sorted(waits)[rank - 1])

    def take(self) -> bool:
        """Take the right to one hedge, if there is one."""
        if self._earned < _PRICE:
            return False
        self._earned -= _PRICE
        return True
