"""For any text: a plan or a PlanError, always the same, and soon."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner import catalog
from planner.catalog import TASKS
from planner.plan import Plan, PlanError, Request, make_plan
from planner.policies import POLICIES
from planner.shapes import STRATEGIES
from planner.value import estimate_tokens

from .requests import HOSTED, ask, ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.catalog import Model

_CATALOG = catalog.load()
_WIDEST = {"single": 1, "decompose_and_route": 1, "cascade": 4, "debate": 3}
_LOCAL = ("qwen2.5-coder-1.5b", "qwen2.5-coder-0.5b", "smollm2-135m", "mine")

texts = st.text(alphabet=st.characters(), max_size=300)
requests = st.builds(
    Request,
    messages=st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), texts), max_size=4).map(
        lambda messages: (*messages, ("user", messages[0][1] if messages else ""))
    ),
    policy=st.sampled_from(sorted(POLICIES)),
    strategy=st.sampled_from([None, *STRATEGIES]),
    k=st.none() | st.integers(1, 8),
    max_tokens=st.integers(1, 32_768),
    max_cost=st.none() | st.integers(1, 10**13),
    judge_model=st.sampled_from(["", "nobody", *_CATALOG.models]),
    providers=st.frozensets(st.sampled_from(sorted(HOSTED))),
    local_models=st.lists(st.sampled_from(_LOCAL)).map(tuple),
    unhealthy=st.frozensets(st.sampled_from(sorted(_CATALOG.models))),
)


def planned(request: Request) -> Plan | str:
    try:
        return make_plan(request, _CATALOG)
    except PlanError as error:
        return str(error)


@given(requests)
def test_any_request_gets_a_plan_or_a_plan_error_and_always_the_same(request: Request) -> None:
    plan = planned(request)
    assert plan == planned(request)
    if isinstance(plan, str):
        return
    assert plan.strategy == (request.strategy or plan.strategy) in STRATEGIES
    assert plan.forced == (request.strategy is not None)
    assert all(name in plan.rationale for name in plan.signals)

    width = len(plan.proposers)
    assert 1 <= plan.k == width <= _WIDEST.get(plan.strategy, request.k or POLICIES[request.policy].k)
    assert len(plan.synthesizers) <= 3
    assert bool(plan.synthesizers) == (
        plan.strategy == "decompose_and_route" or (plan.strategy in {"ensemble_moa", "rank_fuse"} and width > 1)
    )
    assert len(plan.judges) <= 4
    assert bool(plan.judges) == (plan.strategy in {"rank_fuse", "debate"} and width > 1)
    assert [task for task, _ in plan.routes] == (list(TASKS) if plan.strategy == "decompose_and_route" else [])
    assert all(1 <= len(route) <= 3 for _, route in plan.routes)
    assert len(plan.fallbacks) <= 3
    assert not set(ids(plan.proposers)) & set(ids(plan.fallbacks))

    offered = set(ids(_CATALOG.available(request.providers, request.local_models)))
    parts = (plan.proposers, plan.synthesizers, plan.judges, plan.fallbacks, *(route for _, route in plan.routes))
    assert {name for part in parts for name in ids(part)} <= offered
    # The texts are short: every model can read them.
    well = offered - request.unhealthy or offered
    assert set(ids(plan.proposers)) <= well
    for part in parts[1:]:
        health = [name in well for name in ids(part)]
        assert health == sorted(health, reverse=True)


@given(requests, st.integers(0, 3000))
def test_rungs_are_better_each_time_and_the_first_is_the_cheapest(request: Request, length: int) -> None:
    messages = (*request.messages, ("user", "and " * length))
    plan = planned(replace(request, strategy="cascade", messages=messages, max_cost=None))
    if isinstance(plan, str):
        return
    qualities = [item.quality[plan.task] for item in plan.proposers]
    assert qualities == sorted(set(qualities))
    costs = [cost(item, messages, request.max_tokens) for item in plan.proposers]
    assert costs == sorted(set(costs))


def cost(item: Model, messages: Sequence[tuple[str, str]], max_tokens: int) -> int:
    """Return what a call is likely to cost; every model of the catalog has a price."""
    assert item.price
    return estimate_tokens(text for _, text in messages) * item.price.input + min(max_tokens, 400) * item.price.output


@given(requests, st.integers(1, 10**12))
def test_the_first_call_fits_the_budget_when_any_can(request: Request, budget: int) -> None:
    plan = planned(replace(request, max_cost=budget))
    if isinstance(plan, str):
        return
    tokens = estimate_tokens(text for _, text in request.messages)

    def worst(item: Model) -> int:
        assert item.price
        return tokens * item.price.input + request.max_tokens * item.price.output

    offered = _CATALOG.available(request.providers, request.local_models)
    well = [item for item in offered if item.id not in request.unhealthy] or offered
    cheapest = min(map(worst, well))
    first = worst(plan.proposers[0])
    assert first <= budget if cheapest <= budget else first == cheapest
    if plan.strategy != "cascade" and plan.k > 1:
        assert sum(map(worst, plan.proposers)) <= budget


def fastest(request: Request, times: int) -> float:
    """Return the milliseconds of the fastest of some tries: what the code takes when the machine lets it."""
    spent = []
    for _ in range(times):
        started = time.perf_counter()
        make_plan(request, _CATALOG)
        spent.append(time.perf_counter() - started)
    return min(spent) * 1e3


@pytest.mark.parametrize(
    "piece", ["\n", " ", "a", "?", "1 ", "A) x ", "SELECT ", "\n- x", "é", "翻", "how do "], ids=ascii
)
def test_a_hostile_mebibyte_is_planned_within_100_milliseconds(piece: str) -> None:
    request = ask(piece * ((1 << 20) // len(piece)))
    assert fastest(request, 3) < 100
