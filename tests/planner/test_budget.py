"""max_cost_usd: the plan narrows until its worst case fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner import catalog
from planner.plan import make_plan
from planner.value import estimate_tokens

from .requests import HOSTED, OPEN, PICO, ask, catalog_of, ids, model

if TYPE_CHECKING:
    from planner.catalog import Model
    from planner.plan import Plan

_MAX_TOKENS = 1_000
_PROMPT_TOKENS = estimate_tokens([OPEN])
_ABC = frozenset("abc")


def cost(item: Model, read: int = _PROMPT_TOKENS) -> int:
    """Return what a call costs at most: it reads the prompt, or more, and writes all that it may."""
    assert item.price
    return read * item.price.input + _MAX_TOKENS * item.price.output


def worst(plan: Plan, writer: Model) -> int:
    """Return what the plan costs at most when `writer` writes."""
    proposing = sum(cost(item) for item in plan.proposers)
    return proposing + cost(writer, _PROMPT_TOKENS + plan.k * _MAX_TOKENS)


def planned(max_cost: int | None, *models: Model, k: int = 3, **fields: object) -> Plan:
    providers = frozenset(item.provider for item in models)
    request = ask(
        OPEN, strategy="ensemble_moa", k=k, max_tokens=_MAX_TOKENS, max_cost=max_cost, providers=providers, **fields
    )
    return make_plan(request, catalog_of(*models))


def test_a_budget_that_is_wide_enough_changes_nothing() -> None:
    models = [model("a"), model("b"), model("c")]
    assert planned(PICO, *models) == planned(None, *models)


def test_the_dearest_is_dropped_first_and_the_rationale_says_so() -> None:
    models = [model("a", usd_per_mtok=1), model("b", usd_per_mtok=2), model("c", usd_per_mtok=50)]
    plan = planned(30 * 10**9, *models)
    assert sorted(ids(plan.proposers)) == ["a", "b"]
    assert plan.strategy == "ensemble_moa"
    assert "Narrowed from 3 to fit max_cost_usd." in plan.rationale


def test_one_proposer_stays_and_needs_no_writer() -> None:
    models = [model("a", usd_per_mtok=1), model("b", usd_per_mtok=2), model("c", usd_per_mtok=3)]
    plan = planned(cost(models[0]), *models)
    assert (ids(plan.proposers), plan.k, plan.synthesizers) == (["a"], 1, ())


def test_when_nothing_fits_the_cheapest_is_asked() -> None:
    models = [model("a", 0.9, 3), model("b", 0.9, 1), model("c", 0.9, 2)]
    assert ids(planned(1, *models).proposers) == ["b"]


def test_a_lone_proposer_is_the_best_that_fits() -> None:
    models = [model("a", 0.9, 300), model("b", 0.8, 2), model("c", 0.3, 1)]
    plan = planned(cost(models[1]), *models)
    assert ids(plan.proposers) == ["b"]


def test_a_failing_model_is_no_cheap_way_out() -> None:
    models = [model("a", 0.9, 1), model("b", 0.9, 2)]
    assert ids(planned(1, *models, unhealthy=frozenset("a")).proposers) == ["b"]


def test_a_writer_that_the_budget_can_not_pay_is_not_planned() -> None:
    models = [model("a", 0.8, 1), model("b", 0.8, 1), model("best", 0.99, 500)]
    plan = planned(20 * 10**9, *models, k=2)
    assert sorted(ids(plan.synthesizers)) == ["a", "b"]
    assert ids(planned(None, *models, k=2).synthesizers)[0] == "best"


def test_a_judge_that_the_budget_can_not_pay_does_not_write() -> None:
    models = [model("a", 0.8, 1), model("b", 0.8, 1), model("dear", 0.8, 500)]
    assert "dear" not in ids(planned(20 * 10**9, *models, k=2, judge_model="dear").synthesizers)


def test_models_without_a_price_are_not_dropped_for_it() -> None:
    models = [model("a", 0.9, None), model("b", 0.9, 1)]
    assert ids(planned(1, *models, k=2).proposers) == ["a"]


def test_what_costs_nothing_fits_any_budget() -> None:
    request = ask(
        OPEN, policy="depth", max_cost=1, providers=frozenset(), local_models=("qwen2.5-coder-1.5b", "a", "b")
    )
    assert make_plan(request, catalog.load()).k == 3


@pytest.mark.parametrize("policy", ["efficiency", "balanced", "depth"])
@given(budget=st.integers(1, PICO // 2), k=st.integers(1, 8), judge=st.sampled_from(["", "gpt-5.2", "claude-opus-4.5"]))
def test_the_worst_case_of_several_calls_never_exceeds_the_budget(policy: str, budget: int, k: int, judge: str) -> None:
    request = ask(
        OPEN, policy=policy, strategy="ensemble_moa", k=k, max_tokens=_MAX_TOKENS, max_cost=budget, judge_model=judge
    )
    plan = make_plan(request, _SHIPPED)
    assert 1 <= plan.k <= k
    assert bool(plan.synthesizers) == (plan.k > 1)
    for writer in plan.synthesizers:
        assert worst(plan, writer) <= budget


_SHIPPED = catalog.load()
assert _SHIPPED.available(HOSTED, ())
