"""How far an answer can be trusted: one number, where it comes from, and the parts that it was made of.

It is a calibrated chance where a calibration knows models and kind of task, and else a prior, moved by evidence. What a
model says of its own confidence is no part of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

#: Mean probability of an answer's tokens that says nothing for or against it, and how far others may move the odds.
_USUAL_TOKEN: Final = 0.9
_MOST_ODDS: Final = 4.0


@dataclass(frozen=True)
class Parts:
    """The evidence, each 0..1; None where there was none."""

    #: The model's quality on this kind of task.
    prior: float
    #: Share of the quality weight that says the same.
    agreement: float | None = None
    #: Geometric mean of the answer's tokens' probabilities.
    logprob: float | None = None
    #: Share of the comparisons by a judge that the answer won.
    judge: float | None = None


@dataclass(frozen=True)
class Confidence:
    """A chance of being right, 0..1."""

    value: float
    #: `calibrated`, or else the strongest evidence in it: `judge`, `agreement`, `logprob` or `prior`.
    source: str
    parts: Parts
    #: Id of the calibration that it is by; None: it is not calibrated.
    calibration: str | None = None


def assess(
    prior: float, *, agreement: float | None = None, logprob: float | None = None, judge: float | None = None
) -> Confidence:
    """Weigh the evidence for an answer.

    Log-probabilities move the prior's odds, by a factor of four at most: models are sure of their habits, too.
    Agreement and judgement each move what is there between half of it and half of its doubt: full agreement halves the
    doubt, none halves the trust.

    Args:
        prior: chance of a right answer before anything is known of it.
        agreement: 0..1, of two answers or more.
        logprob: mean natural logarithm of the tokens' probabilities; one that is no number counts as not told.
        judge: 0..1, of one comparison or more.
    """
    told = None if logprob is None or math.isnan(logprob) else math.exp(min(logprob, 0.0))
    return weigh(Parts(prior, agreement, told, judge))


def weigh(parts: Parts) -> Confidence:
    """Weigh the parts as `assess` does."""
    value, source = parts.prior, "prior"
    if parts.logprob is not None:
        value, source = _with_odds(value, _odds(parts.logprob) / _odds(_USUAL_TOKEN)), "logprob"
    if parts.agreement is not None:
        value, source = _moved(value, parts.agreement), "agreement"
    if parts.judge is not None:
        value, source = _moved(value, parts.judge), "judge"
    return Confidence(value, source, parts)


def _odds(chance: float) -> float:
    return chance / max(1 - chance, 1e-9)


def _with_odds(chance: float, factor: float) -> float:
    odds = _odds(chance) * min(max(factor, 1 / _MOST_ODDS), _MOST_ODDS)
    return odds / (1 + odds)


def _moved(chance: float, share: float) -> float:
    return chance / 2 + share / 2
