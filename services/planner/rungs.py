"""The rungs of a cascade: the cheapest capable model, then better and dearer ones (FrugalGPT, arXiv 2305.05176)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from planner.catalog import LOCAL
from planner.pool import likeness

if TYPE_CHECKING:
    from planner.catalog import Model
    from planner.pool import Pool

_MAX_RUNGS: Final = 4
#: A rung before the last that costs a larger share of the last one's price than this saves next to nothing.
_WORTH_A_STOP: Final = 0.7


def rungs(pool: Pool) -> tuple[Model, ...]:
    """Return 1 to 4 rungs, the cheapest first, each better and dearer than the one before, the strongest last."""
    cost, quality = pool.prompt.expected_cost, pool.quality
    capable = [model for model in pool.capable if model.provider != LOCAL] or pool.capable
    chain = [_first(pool, capable)]

    def above(model: Model) -> list[Model]:
        return [other for other in capable if quality(other) > quality(model) and cost(other) > cost(model)]

    steps = above(chain[0])
    if not steps:
        return tuple(chain)
    last = max(steps, key=lambda model: (quality(model), -cost(model), model.id))
    while len(chain) < _MAX_RUNGS - 1:
        limit = _WORTH_A_STOP * cost(last)
        between = [model for model in above(chain[-1]) if quality(model) < quality(last) and cost(model) <= limit]
        if not between:
            break
        chain.append(max(between, key=lambda model: (_worth(pool, model, (*chain, last)), model.id)))
    return (*chain, last)


def _worth(pool: Pool, model: Model, others: tuple[Model, ...]) -> float:
    return pool.value(model) - sum(likeness(model, other) for other in others)


def _first(pool: Pool, capable: list[Model]) -> Model:
    """Return the cheapest capable model that the budget pays for; else the best one of any kind that it does."""
    cost, worst = pool.prompt.expected_cost, pool.prompt.worst_cost
    if fitting := [model for model in capable if pool.affords(worst(model))]:
        return min(fitting, key=lambda model: (cost(model), -pool.quality(model), model.id))
    return pool.lone()
