"""Latent classes of questions: how many there are of which difficulty, and what each model gets right in each.

Expectation maximisation for a mixture of independent Bernoulli variables, of which some are missing (Dempster, Laird &
Rubin 1977). Deterministic: it begins with the questions in order of how many models got them right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]

#: Classes: one more is not better on questions that were not fitted to, one less is worse.
CLASSES: Final = 3
_ROUNDS: Final = 300
_STILL: Final = 1e-6
#: Questions' worth of belief that a model is in each class as good as on the whole.
_PRIOR: Final = 3.0
#: Nobody is always right, or never.
_LEAST: Final = 0.003
#: Share of a question that lies in the class that it begins in.
_BEGIN: Final = 0.9


@dataclass(frozen=True)
class Classes:
    """Classes, the easiest first."""

    #: Classes.
    shares: Floats
    #: Classes by models: chances of a right answer.
    right: Floats


def fit(right: Floats, told: Floats, classes: int = CLASSES) -> Classes:
    """Fit classes.

    Args:
        right: questions by models; 1 is right.
        told: questions by models; 0 where a model wrote nothing.
        classes: how many.
    """
    count = len(right)
    chances = (right * told).sum(0) / np.maximum(told.sum(0), 1)
    solved = (right * told).sum(1) / np.maximum(told.sum(1), 1)
    rank = np.argsort(np.argsort(-solved, kind="stable"), kind="stable")
    belongs = np.full((count, classes), (1 - _BEGIN) / classes)
    belongs[np.arange(count), np.minimum(rank * classes // max(count, 1), classes - 1)] += _BEGIN
    for _ in range(_ROUNDS):
        shares = (belongs.sum(0) + 1) / (count + classes)
        hits, asked = belongs.T @ (right * told), belongs.T @ told
        levels = np.clip((hits + _PRIOR * chances) / (asked + _PRIOR), _LEAST, 1 - _LEAST)
        likely = np.log(shares) + (right * told) @ np.log(levels).T + ((1 - right) * told) @ np.log(1 - levels).T
        updated = np.exp(likely - likely.max(1, keepdims=True))
        updated /= updated.sum(1, keepdims=True)
        moved = float(np.abs(updated - belongs).max())
        belongs = updated
        if moved < _STILL:
            break
    order = np.argsort(-levels.mean(1), kind="stable")
    return Classes(shares[order], levels[order])
