"""results.json: what every policy and strategy came to, beside what one could have done without any."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from evaluation import measures
from evaluation.replaying import AUTO, POLICIES, SHAPES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evaluation.evidence import Item
    from evaluation.replaying import Row

POOLED: Final = "pooled"
_PICO: Final = 1e12
_DIGITS: Final = 4


def results(items: Sequence[Item], rows: Sequence[Row], told: dict[str, Any]) -> dict[str, Any]:
    """Return the content of results.json. Costs and calls are means of one question.

    Args:
        items: the questions that were tested.
        rows: what came of each, under each policy and for each shape.
        told: what else the file says of how it was made.
    """
    tasks = sorted({item.question.task for item in items})
    baselines = {task: _baselines(_of_task(items, task)) for task in (*tasks, POOLED)}
    cells = {
        task: {policy: {shape: _cell(items, rows, task, policy, shape) for shape in SHAPES} for policy in POLICIES}
        for task in (*tasks, POOLED)
    }
    free = [row for row in rows if row.shape == AUTO]
    return {
        **told,
        "tasks": {task: cells[task] for task in tasks},
        "pooled": cells[POOLED],
        "confidence": {
            task: confidence([row for row in free if task in {POOLED, row.task}]) for task in (*tasks, POOLED)
        },
        "confidence_by_policy": {
            policy: {
                task: confidence([row for row in free if row.policy == policy and task in {POOLED, row.task}])
                for task in (*tasks, POOLED)
            }
            for policy in POLICIES
        },
        "baselines": baselines,
        "evaluated": evaluated(rows),
    }


def _of_task(items: Sequence[Item], task: str) -> list[Item]:
    return [item for item in items if task in {POOLED, item.question.task}]


def best_single(items: Sequence[Item]) -> str:
    """Return the model that is right most often on these very questions; the cheaper of equals."""
    models = sorted({model for item in items for model in item.right})
    return max(models, key=lambda model: (_hits(items, model), -_spent(items, model)))


def _hits(items: Sequence[Item], model: str) -> int:
    return sum(item.right.get(model, False) for item in items)


def _spent(items: Sequence[Item], model: str) -> float:
    return sum(item.costs.get(model, 0) for item in items) / _PICO


def _cell(items: Sequence[Item], rows: Sequence[Row], task: str, policy: str, shape: str) -> dict[str, Any]:
    tested = _of_task(items, task)
    found = [row for row in rows if row.policy == policy and row.shape == shape and task in {POOLED, row.task}]
    best = best_single(tested)
    right = np.array([row.right for row in found], float)
    gains = right - np.array([item.right.get(best, False) for item in tested], float)
    cost = float(np.mean([row.cost for row in found]))
    return {
        "n": len(found),
        "accuracy": round(float(right.mean()), _DIGITS),
        "accuracy_ci": [round(end, _DIGITS) for end in measures.interval(right)],
        "gain_ci": [round(end, _DIGITS) for end in measures.interval(gains)],
        "cost_usd": cost,
        "cost_vs_best_single": round(cost / (_spent(tested, best) / len(tested)), _DIGITS),
        "calls": round(float(np.mean([row.calls for row in found])), 2),
        "escalated": round(float(np.mean([row.escalated for row in found])), _DIGITS),
        "unrecorded": round(float(np.mean([row.unrecorded for row in found])), _DIGITS),
    }


def confidence(rows: Sequence[Row]) -> dict[str, Any]:
    """Return how good the confidence of some answers is."""
    chances = np.array([row.confidence for row in rows])
    right = np.array([row.right for row in rows], float)
    area = measures.auroc(chances, right)
    return {
        "auroc": None if area is None else round(area, _DIGITS),
        "ece": round(measures.ece(chances, right), _DIGITS),
        "brier": round(measures.brier(chances, right), _DIGITS),
        "n": len(rows),
        "calibrated": round(float(np.mean([row.calibrated for row in rows])), _DIGITS),
    }


def _baselines(items: Sequence[Item]) -> dict[str, dict[str, Any]]:
    models = sorted({model for item in items for model in item.right})
    best, cheapest = best_single(items), min(models, key=lambda model: _spent(items, model))
    count = len(items)

    def alone(model: str) -> dict[str, Any]:
        return _baseline(model, _hits(items, model) / count, _spent(items, model) / count)

    everybody = sum(_spent(items, model) for model in models) / count
    return {
        "best_single": alone(best),
        "cheapest": alone(cheapest),
        "random": _baseline(
            "one of all, by chance",
            float(np.mean([_hits(items, model) / count for model in models])),
            everybody / len(models),
        ),
        "vote_all": _baseline("all, one vote each", _mean(items, _by_vote), everybody),
        "oracle": _baseline(
            "the cheapest that is right",
            _mean(items, lambda item: any(item.right.values())),
            _mean(items, _oracle_cost),
        ),
    }


def _baseline(model: str, accuracy: float, cost: float) -> dict[str, Any]:
    return {"model": model, "accuracy": round(accuracy, _DIGITS), "cost_usd": cost}


def _mean(items: Sequence[Item], value: Callable[[Item], float]) -> float:
    return sum(value(item) for item in items) / len(items)


def _by_vote(item: Item) -> bool:
    groups = item.compared(item.right).groups
    return bool(groups) and item.right[max(groups, key=len)[0].model.id]


def _oracle_cost(item: Item) -> float:
    right = [item.costs[model] for model, hit in item.right.items() if hit]
    return min(right or item.costs.values()) / _PICO


def evaluated(rows: Sequence[Row]) -> dict[str, str]:
    """Say of each strategy whether the recording could show it as it is."""
    runs, missed = Counter[str](), Counter[str]()
    for row in rows:
        runs[row.strategy] += 1
        missed[row.strategy] += row.unrecorded
    return {
        strategy: "as it is"
        if not missed[strategy]
        else f"{1 - missed[strategy] / runs[strategy]:.0%} of its runs as it is, others without what was not recorded"
        for strategy in sorted(runs)
    }
