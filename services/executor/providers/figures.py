"""The figures of an answer, as a provider tells them: tokens and their log-probabilities."""

from __future__ import annotations

import math
from typing import Any


def count(value: object) -> int | None:
    """Return a token count as a provider sent it, or None when it is no whole number."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


class MeanLogprob:
    """The mean over the tokens of one answer, told at once or chunk by chunk."""

    def __init__(self) -> None:
        self._sum = 0.0
        self._tokens = 0

    def add(self, logprobs: Any) -> None:
        """Take `choices[0].logprobs`. None is no news; nonsense leaves the whole answer without a mean."""
        if logprobs is None:
            return
        try:
            for token in logprobs["content"] or ():
                self._sum += _logarithm(token["logprob"])
                self._tokens += 1
        except (KeyError, TypeError, OverflowError):
            self._sum = math.nan

    def mean(self) -> float | None:
        """Return the mean natural logarithm, at most 0; None when none was told, or nonsense."""
        return self._sum / self._tokens if self._tokens and math.isfinite(self._sum) else None


def _logarithm(value: object) -> float:
    """Return a number that may be the logarithm of a probability; not a number for everything else."""
    is_one = isinstance(value, float) or count(value) is not None
    return float(value) if is_one and value <= 0 else math.nan  # type: ignore[arg-type,operator]
