"""Which calls pay: ways of asking that were tried on a recording, and the best of them for each policy.

A policy is what it may spend, as a share of what the best single model costs on all questions, and what it gives for a
little more accuracy. Within that, the ways of all kinds of task are chosen together: money goes where it buys most.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from planner.policies import POLICIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evaluation.trials import Outcome, Trials

#: Policy → what it may spend on all questions, and the accuracy that it gives up to save what the best model costs.
_SPENDS: Final = {"efficiency": (0.335, 0.05), "balanced": (0.61, 0.03), "depth": (3.0, 0.005)}
#: Only depth spends more on a kind of task than its best model alone, but for a cheap second opinion.
_MOST: Final = {"efficiency": 1.04, "balanced": 1.04, "depth": 99.0}
#: Models that ways are made of, and of how many at most.
_CANDIDATES: Final = 10
_RUNGS: Final = 4
_BARS: Final = (*(round(0.62 + 0.02 * step, 2) for step in range(17)), 0.95, 0.96, 0.97, 0.98, 0.985)
#: Units into which a budget is divided.
_UNITS: Final = 2_000
#: Voters, and those who are asked at once; what one more must add to the accuracy.
_VOTERS: Final = 5
_WAVE: Final = 3
_GAIN: Final = 0.001


@dataclass(frozen=True)
class Tried:
    """A way that was tried."""

    models: tuple[str, ...]
    bar: float
    #: Smoothed, see Outcome.
    accuracy: float
    #: Shares of what the best single model costs, and calls, a question.
    cost: float
    calls: float

    def content(self) -> dict[str, Any]:
        """Return it as its file holds it."""
        told = {"accuracy": round(self.accuracy, 4), "cost": round(self.cost, 4), "calls": round(self.calls, 2)}
        return {"models": list(self.models), "bar": self.bar, **told}


def cascades(trials: Trials, unit: float) -> list[Tried]:
    """Try every cascade of a few candidates, the cheapest first.

    Args:
        trials: of one kind of task.
        unit: what the best single model costs a question, in 1e-12 USD.
    """
    tried = []
    for size in range(1, _RUNGS + 1):
        for models in combinations(_candidates(trials), size):
            if size == 1:
                tried.append(_tried(models, _BARS[-1], trials.climb([models], 1.0), unit))
                continue
            steps = [_tried(models, bar, trials.climb([[model] for model in models], bar), unit) for bar in _BARS]
            tried += [_smoothed(steps[max(0, at - 1) : at + 2], bar) for at, bar in enumerate(_BARS)]
    return tried


def _tried(models: Sequence[str], bar: float, outcome: Outcome, unit: float) -> Tried:
    cost, calls = float(outcome.cost.mean()) / unit, float(outcome.calls.mean())
    return Tried(tuple(models), bar, outcome.accuracy, cost, calls)


def _smoothed(neighbours: Sequence[Tried], bar: float) -> Tried:
    """Judge a bar together with its neighbours: where a step falls between them is noise."""
    accuracy, cost, calls = (
        float(np.mean([getattr(way, name) for way in neighbours])) for name in ("accuracy", "cost", "calls")
    )
    return Tried(neighbours[0].models, bar, accuracy, cost, calls)


def _candidates(trials: Trials) -> list[str]:
    """Return the models worth combining, the cheapest first: the best for their price, then those but for them."""
    models = sorted({model for item in trials.items for model in item.right})
    cost = {model: float(trials.costs(model).mean()) for model in models}
    good = {model: float(np.mean([item.right.get(model, False) for item in trials.items])) for model in models}
    chosen: list[str] = []
    left = sorted(models, key=lambda model: (cost[model], -good[model], model))
    while left and len(chosen) < _CANDIDATES:
        best = -1.0
        layer = []
        for model in left:
            if good[model] > best:
                layer.append(model)
                best = good[model]
        chosen += layer[: _CANDIDATES - len(chosen)]  # of a layer that is too long, the cheapest
        left = [model for model in left if model not in layer]
    return sorted(chosen, key=lambda model: (cost[model], model))


def choose(tried: Mapping[str, Sequence[Tried]], sizes: Mapping[str, int], policy: str) -> dict[str, list[Tried]]:
    """Return for each kind of task the best way under a policy, and then the best one without each of its models.

    Args:
        tried: kind → ways.
        sizes: kind → how many questions there are of it.
        policy: whose money it is.
    """
    share, weight = _SPENDS[policy]
    least = POLICIES[policy].bar
    total = sum(sizes.values())
    usable = {kind: [way for way in ways if way.bar >= least] for kind, ways in tried.items()}
    worth = {kind: _hull(_payable(ways, _MOST[policy]), weight) for kind, ways in usable.items()}
    best = _knapsack(worth, {kind: size / total for kind, size in sizes.items()}, share, weight)
    return {kind: [way, *_without(way, usable[kind], weight)] for kind, way in best.items()}


def _value(way: Tried, weight: float) -> float:
    return way.accuracy - weight * way.cost


def _payable(ways: Sequence[Tried], most: float) -> list[Tried]:
    """Return the ways that cost no more than the best model alone, times `most`; at least that one itself."""
    alone = max((way for way in ways if len(way.models) == 1), key=lambda way: way.accuracy)
    return [way for way in ways if way.cost <= most * alone.cost]


def _hull(ways: Iterable[Tried], weight: float) -> list[Tried]:
    """Return the ways that are worth more than every cheaper one."""
    kept: list[Tried] = []
    for way in sorted(ways, key=lambda way: (way.cost, -way.accuracy)):
        if not kept or _value(way, weight) > _value(kept[-1], weight):
            kept.append(way)
    return kept


def _knapsack(
    worth: Mapping[str, Sequence[Tried]], shares: Mapping[str, float], budget: float, weight: float
) -> dict[str, Tried]:
    """Choose one way a kind, worth most together within a budget; the cheapest ones where nothing fits."""
    unit = budget / _UNITS
    best = np.zeros(_UNITS + 1)
    picks: list[tuple[str, Any]] = []
    for kind, ways in worth.items():
        table = np.full((len(ways), _UNITS + 1), -np.inf)
        for row, way in enumerate(ways):
            spent = round(way.cost * shares[kind] / unit)
            if spent <= _UNITS:
                table[row, spent:] = best[: _UNITS + 1 - spent] + shares[kind] * _value(way, weight)
        picks.append((kind, table.argmax(0)))
        best = table.max(0)
    chosen, left = {}, _UNITS
    for kind, rows in reversed(picks):
        way = worth[kind][rows[left]] if np.isfinite(best).any() else worth[kind][0]
        chosen[kind] = way
        left = max(0, left - round(way.cost * shares[kind] / unit))
    return chosen


def _without(best: Tried, ways: Sequence[Tried], weight: float) -> list[Tried]:
    """Return the best stand-ins for a way, each without one of its models, at not much more than its cost."""
    found = []
    for model in best.models:
        others = [way for way in ways if model not in way.models]
        payable = [way for way in others if way.cost <= 1.2 * best.cost] or others
        if payable:
            found.append(max(payable, key=lambda way: _value(way, weight)))
    return list(dict.fromkeys(found))


def vote(trials: Trials, unit: float) -> Tried:
    """Return the models whose weighted vote errs least: the best one, then whoever adds most, while that is enough."""
    models = sorted({model for item in trials.items for model in item.right})
    chosen: list[str] = []
    reached = 0.0
    while len(chosen) < min(_VOTERS, len(models)):
        left = [model for model in models if model not in chosen]
        outcomes = {model: trials.climb([[*chosen, model]], 1.0).accuracy for model in left}
        best = max(outcomes, key=lambda model: (outcomes[model], model))
        if len(chosen) >= _WAVE and outcomes[best] < reached + _GAIN:
            break
        chosen.append(best)
        reached = outcomes[best]
    waves = [chosen[at : at + _WAVE] for at in range(0, len(chosen), _WAVE)]
    tried = [_tried(chosen, bar, trials.climb(waves, bar), unit) for bar in _BARS if bar >= POLICIES["depth"].bar]
    return max(tried, key=lambda way: _value(way, _SPENDS["depth"][1]))
