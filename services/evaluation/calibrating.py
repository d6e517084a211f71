"""Fitting a calibration: what each kind of task shows on one part of a recording, and its scale on another."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from itertools import combinations
from random import Random
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from evaluation import classes
from evaluation.evidence import by_kind
from executor import calibration
from executor.calibration import Calibration, Kind, Scale, Witness
from executor.strategies.answer import whole_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evaluation.classes import Floats
    from evaluation.evidence import Item

#: Questions of a kind without which nothing is said of it.
LEAST: Final = 30
#: Digits that are kept: what is beyond them is noise.
_DIGITS: Final = 4
#: Sets of models that a scale is fitted to, of up to so many models.
_SETS: Final = 24
_MOST_MODELS: Final = 5
_UNSCALED: Final = Scale(0.0, 1.0, 0.0)
_STEPS: Final = 50
#: Belief, in answers, that a term of the scale is as it stands in `_UNSCALED`.
_RIDGE: Final = 1.0
#: Belief, in questions, that a kind is as the scale says.
_BIAS_RIDGE: Final = 2.0


def kinds_of(items: Iterable[Item]) -> dict[str, Kind]:
    """Return what each kind of task shows, of those of which there is enough."""
    return {kind: _kind(found) for kind, found in by_kind(items).items() if len(found) >= LEAST}


def _kind(items: Sequence[Item]) -> Kind:
    models = sorted({model for item in items for model in item.right})
    told = np.array([[float(model in item.replies) for model in models] for item in items])
    right = np.array([[float(item.right.get(model, False)) for model in models] for item in items])
    fitted = classes.fit(right, told)
    spoken = [(place, model) for place, model in enumerate(models) if told[:, place].any()]
    coincide, kin = _coincidences(items)
    return Kind(
        classes=_rounded(fitted.shares),
        witnesses={model: Witness(_rounded(fitted.right[:, place]), _length(items, model)) for place, model in spoken},
        coincide=coincide,
        kin=kin,
        types=_types(items),
    )


def _rounded(values: Floats) -> tuple[float, ...]:
    return tuple(round(float(value), _DIGITS) for value in values)


def _length(items: Sequence[Item], model: str) -> tuple[float, float]:
    lengths = np.log1p([len(item.replies[model].text) for item in items if model in item.replies])
    return round(float(lengths.mean()), _DIGITS), round(float(max(lengths.std(), 0.1)), _DIGITS)


def _types(items: Sequence[Item]) -> dict[str, float]:
    counts = {True: Counter[str](), False: Counter[str]()}
    for item in items:
        for model, reply in item.replies.items():
            counts[item.right[model]][reply.answer.kind] += 1
    names = sorted(counts[True] | counts[False])
    totals = {told: counts[told].total() + len(names) for told in counts}
    return {
        name: round(
            math.log((counts[True][name] + 1) / totals[True]) - math.log((counts[False][name] + 1) / totals[False]),
            _DIGITS,
        )
        for name in names
    }


def _coincidences(items: Sequence[Item]) -> tuple[float, float]:
    """Return the chance that two wrong answers are the same, and how much likelier it is, as odds, within a family."""
    same, pairs = {True: 1.0, False: 1.0}, {True: 2.0, False: 2.0}
    for item in items:
        wrong = [model for model in item.replies if not item.right[model]]
        place = {reply.model.id: at for at, group in enumerate(item.compared(wrong).groups) for reply in group}
        for one, other in combinations(wrong, 2):
            kin = item.replies[one].model.family == item.replies[other].model.family
            pairs[kin] += 1
            same[kin] += place[one] == place[other]
    rates = {kin: same[kin] / pairs[kin] for kin in pairs}
    odds = {kin: rate / (1 - rate) for kin, rate in rates.items()}
    return round(rates[False], _DIGITS), round(max(1.0, odds[True] / odds[False]), _DIGITS)


def scaled(kinds: Mapping[str, Kind], items: Iterable[Item]) -> tuple[dict[str, Kind], Scale]:
    """Fit a scale to answers of questions that the kinds were not fitted to, and what each kind is off it.

    The answers are those of many sets of models.
    """
    rows: list[tuple[float, float]] = []
    labels: list[bool] = []
    names: list[str] = []
    for item in items:
        if (kind := kinds.get(item.kind)) is None:
            continue
        for models in _sets(item):
            clusters = Calibration("", _UNSCALED, kinds).weigh(item.kind, item.compared(models))
            if clusters.chances is None:
                continue
            rows.append(max(kind.terms(clusters.groups)))
            labels.append(item.right[whole_of(clusters.groups[0]).model.id])
            names.append(item.kind)
    if not rows:
        return dict(kinds), _UNSCALED
    found, right, named = np.array(rows), np.array(labels, float), np.array(names)
    scale = _logistic(found, right)
    odds = scale.bias + found @ np.array([scale.evidence, scale.length])
    return {
        name: replace(kind, bias=_bias(odds[named == name], right[named == name])) for name, kind in kinds.items()
    }, scale


def _bias(odds: Floats, right: Floats) -> float:
    """Return what makes odds fit, drawn to nothing; one question's answers count as one."""
    bias = 0.0
    for _ in range(_STEPS):
        chances = 1 / (1 + np.exp(-(odds + bias)))
        slope = float((right - chances).sum()) / _SETS - _BIAS_RIDGE * bias
        bias += slope / (float((chances * (1 - chances)).sum()) / _SETS + _BIAS_RIDGE)
    return round(bias, _DIGITS)


def _sets(item: Item) -> list[list[str]]:
    """Draw sets of models by the question's name, so that the same recording gets the same scale."""
    dice = Random(item.question.place)  # noqa: S311 - no secret
    models = sorted(item.replies)
    return (
        [dice.sample(models, min(len(models), dice.randint(1, _MOST_MODELS))) for _ in range(_SETS)] if models else []
    )


def _logistic(rows: Floats, labels: Floats) -> Scale:
    """Fit a logistic function by Newton's steps, drawn a little to the one that changes nothing."""
    terms = np.column_stack([np.ones(len(rows)), rows])
    start = np.array([_UNSCALED.bias, _UNSCALED.evidence, _UNSCALED.length])
    weights = start.copy()
    for _ in range(_STEPS):
        chances = 1 / (1 + np.exp(-(terms @ weights)))
        slope = terms.T @ (labels - chances) - _RIDGE * (weights - start)
        bend = (terms * (chances * (1 - chances))[:, None]).T @ terms + _RIDGE * np.eye(terms.shape[1])
        step = np.linalg.solve(bend, slope)
        weights = weights + step
        if float(np.abs(step).max()) < 10**-_DIGITS:
            break
    return Scale(*(round(float(weight), _DIGITS) for weight in weights))


def content_of(kinds: Mapping[str, Kind], scale: Scale, recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Return a calibration as its file holds it."""
    content: dict[str, Any] = {
        "version": calibration.VERSION,
        "recording": recorded,
        "scale": {"bias": scale.bias, "evidence": scale.evidence, "length": scale.length},
        "kinds": {
            name: {
                "classes": list(kind.classes),
                "coincide": kind.coincide,
                "kin": kind.kin,
                "bias": kind.bias,
                "types": dict(kind.types),
                "models": {
                    model: {"right": list(witness.right), "length": list(witness.length)}
                    for model, witness in kind.witnesses.items()
                },
            }
            for name, kind in kinds.items()
        },
    }
    return {"id": calibration.identify(content), **content}
