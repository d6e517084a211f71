"""What accuracy and confidence are measured by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]

_BINS: Final = 10
_DRAWS: Final = 2_000
_SEED: Final = 8
_INTERVAL: Final = (2.5, 97.5)


def auroc(chances: Floats, right: Floats) -> float | None:
    """Return how often a right answer has the greater chance than a wrong one, ties half; None: there are not both."""
    wrong_chances, right_chances = np.sort(chances[right < 1]), chances[right > 0]
    if not len(wrong_chances) or not len(right_chances):
        return None
    below = np.searchsorted(wrong_chances, right_chances, "left") + np.searchsorted(
        wrong_chances, right_chances, "right"
    )
    return float(below.mean() / 2 / len(wrong_chances))


def bins(chances: Floats, right: Floats) -> list[tuple[float, float, int]]:
    """Return the mean chance, the accuracy and the number of answers of each tenth of the scale that has any."""
    place = np.minimum((chances * _BINS).astype(int), _BINS - 1)
    return [
        (float(chances[place == tenth].mean()), float(right[place == tenth].mean()), int((place == tenth).sum()))
        for tenth in range(_BINS)
        if (place == tenth).any()
    ]


def ece(chances: Floats, right: Floats) -> float:
    """Return the expected calibration error: how far chance and accuracy are apart, on the mean of all answers."""
    return sum(abs(chance - accuracy) * count for chance, accuracy, count in bins(chances, right)) / len(right)


def brier(chances: Floats, right: Floats) -> float:
    """Return the mean square of what chances are off."""
    return float(((chances - right) ** 2).mean())


def risks(chances: Floats, right: Floats) -> tuple[Floats, Floats]:
    """Return the risk-coverage curve: shares of the answers, the surest first, and the share of wrong ones in each."""
    order = np.argsort(-chances, kind="stable")
    count = np.arange(1, len(right) + 1)
    return count / len(right), np.cumsum(1 - right[order]) / count


def interval(values: Sequence[float] | Floats) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a mean."""
    found = np.asarray(values, float)
    dice = np.random.default_rng(_SEED)
    means = [found[dice.integers(0, len(found), len(found))].mean() for _ in range(_DRAWS)]
    low, high = np.percentile(means, _INTERVAL)
    return float(low), float(high)
