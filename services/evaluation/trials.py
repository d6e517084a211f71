"""Trials: what asking some models, one after another, would have come to on questions that nothing was fitted to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from evaluation.calibrating import kinds_of
from executor.calibration import Calibration
from executor.strategies.answer import whole_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from evaluation.evidence import Item
    from executor.calibration import Scale

    Floats = NDArray[np.floating[Any]]

#: Parts for fitting to all but one and looking at that one.
_FOLDS: Final = 5
_SPREAD: Final = 1_000_003


def folds(items: Sequence[Item], scale: Scale, biases: Mapping[str, float]) -> Iterator[tuple[list[Item], Calibration]]:
    """Yield part after part of the items, with a calibration whose kinds were fitted to the other parts."""
    places = [int(item.question.place * _SPREAD) % _FOLDS for item in items]
    for fold in range(_FOLDS):
        rest = [item for item, place in zip(items, places, strict=True) if place != fold]
        kinds = {name: replace(kind, bias=biases.get(name, 0.0)) for name, kind in kinds_of(rest).items()}
        yield [item for item, place in zip(items, places, strict=True) if place == fold], Calibration("", scale, kinds)


@dataclass(frozen=True)
class Outcome:
    """What a way of asking came to, question by question."""

    #: 1 is right.
    right: Floats
    #: Calibrated chance of being right.
    chance: Floats
    #: In 1e-12 USD.
    cost: Floats
    calls: Floats

    @property
    def accuracy(self) -> float:
        """Accuracy, as half what happened and half what the chances say: half the noise of the first alone."""
        return float((self.right.mean() + self.chance.mean()) / 2)


class Trials:
    """Tries ways on the questions of one kind, and remembers what any set of models came to."""

    def __init__(self, parts: Sequence[tuple[Sequence[Item], Calibration]]) -> None:
        """Make it of parts of questions, each with a calibration that was not fitted to them."""
        self._parts = parts
        self._seen: dict[frozenset[str], tuple[Floats, Floats]] = {}
        self.items = [item for items, _ in parts for item in items]

    def costs(self, model: str) -> Floats:
        """Return what each question costs with one model, in 1e-12 USD."""
        return np.array([float(item.costs.get(model, 0)) for item in self.items])

    def told(self, models: Sequence[str]) -> tuple[Floats, Floats]:
        """Return for each question whether all these models' answers together are right, and with which chance."""
        key = frozenset(models)
        if key not in self._seen:
            rows = np.array(
                [_told(item, calibration, models) for items, calibration in self._parts for item in items], float
            )
            self._seen[key] = rows[:, 0], rows[:, 1]
        return self._seen[key]

    def climb(self, waves: Sequence[Sequence[str]], bar: float) -> Outcome:
        """Ask wave after wave of models, and stop at the first from which on the chance reaches a bar."""
        count = len(self.items)
        going = np.ones(count, bool)
        right, chance, cost, calls = (np.zeros(count) for _ in range(4))
        asked: list[str] = []
        for wave in waves:
            asked += wave
            cost[going] += sum(self.costs(model) for model in wave)[going]  # type: ignore[index]
            calls[going] += len(wave)
            now_right, now_chance = self.told(asked)
            right[going], chance[going] = now_right[going], now_chance[going]
            going &= chance < bar
        return Outcome(right, chance, cost, calls)


def _told(item: Item, calibration: Calibration, models: Sequence[str]) -> tuple[float, float]:
    clusters = item.compared(models)
    if not clusters.groups:
        return 0.0, 0.0
    weighed = calibration.weigh(item.kind, clusters)
    best = whole_of(weighed.groups[0])
    chance = weighed.chances[0] if weighed.chances else best.model.quality
    return float(item.right[best.model.id]), chance
