"""Who plays in a shape: one function a strategy, from a pool to a cast."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from planner.catalog import TASKS
from planner.rungs import rungs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from planner.catalog import Model
    from planner.evidence import Way
    from planner.pool import Pool

_MAX_WRITERS: Final = 3
_MAX_JUDGES: Final = 4
_MAX_ARBITERS: Final = 3
_MAX_ROUTE: Final = 3
#: Answers that are fused, at most.
_FUSED: Final = 3
_DEBATERS: Final = 2
_ROUNDS: Final = 3
#: Calls of a split task, at least: its plan, two parts and their writer.
_SPLIT_CALLS: Final = 4
#: Model calls that a request may make, whatever it asks.
_MAX_CALLS: Final = 16
#: A judge who debated himself is taken only when he is better than the others by more than this.
_OWN_SIDE: Final = 0.10


@dataclass(frozen=True)
class Cast:
    """Who plays; see the fields of Plan."""

    proposers: tuple[Model, ...]
    synthesizers: tuple[Model, ...] = ()
    judges: tuple[Model, ...] = ()
    routes: tuple[tuple[str, tuple[Model, ...]], ...] = ()
    #: Calls that were to be made before the budget had its say.
    wanted: int = 1
    #: The recorded way that these proposers are; None: nothing recorded was of use.
    way: Way | None = None


@dataclass(frozen=True)
class Wishes:
    """What the request and its policy say about a cast."""

    #: Width: the request's, else the policy's.
    k: int
    #: The policy's alone.
    policy_k: int
    #: Id of the aggregator that the client prefers.
    judge: str
    #: What recorded evidence says of this strategy here; all of its models are in the pool, and well.
    way: Way | None = None
    #: The request named its width.
    k_named: bool = False


def _single(pool: Pool, _: Wishes) -> Cast:
    return Cast((pool.lone(),))


def _cascade(pool: Pool, wishes: Wishes) -> Cast:
    if wishes.way and pool.affords(pool.prompt.worst_cost((recorded := _recorded(pool, wishes.way))[0])):
        return Cast(recorded, way=wishes.way)
    return Cast(rungs(pool))


def _recorded(pool: Pool, way: Way) -> tuple[Model, ...]:
    by_id = {model.id: model for model in pool.models}
    return tuple(by_id[name] for name in way.models)


def _writers(pool: Pool, answers: int, spent: int, judge: str) -> tuple[Model, ...]:
    able = [model for model in pool.ranked if pool.affords(spent + pool.prompt.worst_cost(model, answers))]
    return tuple(pool.best_first(able, answers, judge)[:_MAX_WRITERS])


def _ensemble_moa(pool: Pool, wishes: Wishes) -> Cast:
    cost = pool.prompt.worst_cost

    def worst(calls: Sequence[Model]) -> int:
        # Any of those who proposed can pay the writing, so somebody can.
        return sum(map(cost, calls)) + max(cost(model, len(calls)) for model in calls)

    proposers = pool.narrow(pool.diverse(wishes.k), worst)
    if len(proposers) == 1:
        return Cast(proposers, wanted=wishes.k)
    writers = _writers(pool, len(proposers), sum(map(cost, proposers)), wishes.judge)
    return Cast(proposers, writers, wanted=wishes.k)


def _judging_calls(k: int) -> int:
    """Return how many calls compare k candidates: each pair in both orders, as far as a request may call."""
    return min(k * (k - 1), max(_MAX_CALLS - k - 1, 0))


def _rank_fuse(pool: Pool, wishes: Wishes) -> Cast:
    cost = pool.prompt.worst_cost

    def cheapest_judge(calls: Sequence[Model]) -> int:
        return min(cost(model, 2) for model in _others(pool.near, calls) or pool.near)

    def writing(calls: Sequence[Model]) -> int:
        return max(cost(model, min(len(calls), _FUSED)) for model in calls)

    def worst(calls: Sequence[Model]) -> int:
        return sum(map(cost, calls)) + _judging_calls(len(calls)) * cheapest_judge(calls) + writing(calls)

    proposers = pool.narrow(pool.diverse(wishes.k), worst)
    if len(proposers) == 1:
        return Cast(proposers, wanted=wishes.k)
    proposing, judgings = sum(map(cost, proposers)), _judging_calls(len(proposers))
    reserved = proposing + writing(proposers)
    able = [model for model in pool.capable if pool.affords(reserved + judgings * cost(model, 2))]
    judges = _judges(pool, pool.best_first(able, 2), proposers)
    judging = judgings * max(cost(model, 2) for model in judges)
    writers = _writers(pool, min(len(proposers), _FUSED), proposing + judging, wishes.judge)
    return Cast(proposers, writers, judges, wanted=wishes.k)


def _others(models: Iterable[Model], calls: Iterable[Model]) -> list[Model]:
    asked = {model.id for model in calls}
    return [model for model in models if model.id not in asked]


def _judges(pool: Pool, able: Sequence[Model], proposers: Sequence[Model]) -> tuple[Model, ...]:
    """Take the best near ones, one of a family before a second of any; and somebody else if all of them proposed."""
    near = {model.id for model in pool.near}
    seen: Counter[str] = Counter()
    turns = []
    for place, model in enumerate(able):
        if model.id in near:
            turns.append((seen[model.family], place))
            seen[model.family] += 1
    judges = [able[place] for place in sorted(place for _, place in sorted(turns)[:_MAX_JUDGES])]
    if not _others(judges, proposers):
        # No model judges its own answer.
        judges = judges[: _MAX_JUDGES - 1] + _others(able, proposers)[:1]
    return tuple(judges)


def _self_consistency(pool: Pool, wishes: Wishes) -> Cast:
    samples: Sequence[Model] = pool.healthy[:1] * wishes.k
    if wishes.way:
        # Of other models, where that was recorded to err less than the best one alone: no resampling was.
        samples = _recorded(pool, wishes.way)[: wishes.k if wishes.k_named else None]
    proposers = pool.narrow(samples, lambda calls: sum(map(pool.prompt.worst_cost, calls)))
    return Cast(proposers, wanted=len(samples), way=wishes.way)


def _debate(pool: Pool, wishes: Wishes) -> Cast:
    cost = pool.prompt.worst_cost
    k = max(_DEBATERS, wishes.policy_k)

    def debating(calls: Sequence[Model]) -> int:
        later = sum(cost(model, len(calls)) for model in calls)
        return sum(map(cost, calls)) + (_ROUNDS - 1) * later

    def worst(calls: Sequence[Model]) -> int:
        return debating(calls) + max(cost(model, len(calls)) for model in calls)

    agents = pool.narrow(pool.diverse(k), worst)
    if len(agents) == 1:
        return Cast(agents, wanted=k)
    debaters = {model.id for model in agents}
    spent = debating(agents)
    able = [model for model in pool.ranked if pool.affords(spent + cost(model, len(agents)))]
    arbiters = pool.best_first(able, len(agents), wishes.judge, lambda model: _OWN_SIDE * (model.id in debaters))
    return Cast(agents, judges=tuple(arbiters[:_MAX_ARBITERS]), wanted=k)


def _decompose_and_route(pool: Pool, _: Wishes) -> Cast:
    payable = [model for model in pool.ranked if pool.affords(_SPLIT_CALLS * pool.prompt.worst_cost(model))]
    # Failing models are ranked last; one that could pay for a split is no reason to pass over one that is well.
    healthy = [model for model in payable if model in pool.healthy] or [pool.lone()]
    failing = [model for model in payable if model not in pool.healthy]
    able = healthy + failing
    routes = tuple(
        (task, tuple((sorted(healthy, key=pool.value.on(task), reverse=True) + failing)[:_MAX_ROUTE])) for task in TASKS
    )
    return Cast((able[0],), tuple(pool.best_first(able, 1)[:_MAX_WRITERS]), routes=routes)


CASTINGS: Final[Mapping[str, Callable[[Pool, Wishes], Cast]]] = {
    "single": _single,
    "cascade": _cascade,
    "ensemble_moa": _ensemble_moa,
    "rank_fuse": _rank_fuse,
    "decompose_and_route": _decompose_and_route,
    "self_consistency": _self_consistency,
    "debate": _debate,
}
