"""max_cost_usd: the plan narrows until its worst case fits."""

from __future__ import annotations

from dataclasses import replace
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


def pairs(k: int) -> int:
    """Return the calls that compare each pair in both orders; a request makes 16 in all, with proposals and writing."""
    return min(k * (k - 1), 15 - k)


def worst_cases(plan: Plan) -> list[int]:
    """Return what the plan costs at most, for each choice of judge and writer."""
    k, proposing = plan.k, sum(cost(item) for item in plan.proposers)
    if k == 1 or plan.strategy == "self_consistency":
        return [proposing]
    if plan.strategy == "debate":
        rounds = 2 * sum(cost(item, _PROMPT_TOKENS + k * _MAX_TOKENS) for item in plan.proposers)
        return [proposing + rounds + cost(judge, _PROMPT_TOKENS + k * _MAX_TOKENS) for judge in plan.judges]
    if plan.strategy == "ensemble_moa":
        return [worst(plan, writer) for writer in plan.synthesizers]
    return [
        proposing
        + pairs(k) * cost(judge, _PROMPT_TOKENS + 2 * _MAX_TOKENS)
        + cost(writer, _PROMPT_TOKENS + min(k, 3) * _MAX_TOKENS)
        for judge in plan.judges
        for writer in plan.synthesizers
    ]


@pytest.mark.parametrize("strategy", ["ensemble_moa", "rank_fuse", "self_consistency", "debate"])
@pytest.mark.parametrize("policy", ["efficiency", "balanced", "depth"])
@given(budget=st.integers(1, PICO // 2), k=st.integers(1, 8), judge=st.sampled_from(["", "gpt-5.2", "claude-opus-4.5"]))
def test_the_worst_case_of_several_calls_never_exceeds_the_budget(
    policy: str, strategy: str, budget: int, k: int, judge: str
) -> None:
    request = ask(
        OPEN, policy=policy, strategy=strategy, k=k, max_tokens=_MAX_TOKENS, max_cost=budget, judge_model=judge
    )
    plan = make_plan(request, _SHIPPED)
    wide = make_plan(replace(request, max_cost=None), _SHIPPED)
    assert 1 <= plan.k <= wide.k
    assert ("Narrowed" in plan.rationale) == (plan.k < wide.k)
    cases = worst_cases(plan)
    assert cases
    if plan.k > 1:
        assert max(cases) <= budget
    else:
        assert max(cases) <= budget or "No call is sure to fit" in plan.rationale


@pytest.mark.parametrize("strategy", ["rank_fuse", "self_consistency", "debate"])
def test_every_width_between_all_and_one_is_reached(strategy: str) -> None:
    models = [model(name, usd_per_mtok=price) for name, price in zip("abcd", (1, 2, 4, 8), strict=True)]
    providers = frozenset("abcd")
    widths = set()
    for exponent in range(100):
        request = ask(
            OPEN,
            policy="depth",
            strategy=strategy,
            max_tokens=_MAX_TOKENS,
            max_cost=round(10**9 * 1.1**exponent),
            providers=providers,
        )
        widths.add(make_plan(request, catalog_of(*models)).k)
    assert widths == {1, 2, 3}


def test_judging_costs_too() -> None:
    models = [model("a"), model("b"), model("c")]
    mixed = worst(planned(None, *models, k=2), models[0])
    assert planned(mixed, *models, k=2).k == 2
    providers = frozenset(item.provider for item in models)
    request = ask(OPEN, strategy="rank_fuse", k=2, max_tokens=_MAX_TOKENS, max_cost=mixed, providers=providers)
    plan = make_plan(request, catalog_of(*models))
    assert (plan.k, plan.judges, plan.synthesizers) == (1, (), ())
    assert "Narrowed from 2 to fit max_cost_usd." in plan.rationale


def test_who_splits_a_prompt_can_be_paid() -> None:
    models = [model("cheap", 0.5, 0.1), model("dear", 0.9, 100)]
    request = ask(
        OPEN,
        strategy="decompose_and_route",
        max_tokens=_MAX_TOKENS,
        max_cost=10**10,
        providers=frozenset({"cheap", "dear"}),
    )
    plan = make_plan(request, catalog_of(*models))
    assert (ids(plan.proposers), ids(plan.synthesizers)) == (["cheap"], ["cheap"])


@pytest.mark.parametrize("max_cost", [2 * 10**9, 10**10, 3 * 10**10])
def test_who_works_on_parts_can_be_paid_along_with_all_others(max_cost: int) -> None:
    models = [model("cheap", 0.5, 0.1), model("middling", 0.7, 1), model("dear", 0.9, 3)]
    request = ask(
        OPEN,
        strategy="decompose_and_route",
        policy="depth",
        max_tokens=_MAX_TOKENS,
        max_cost=max_cost,
        providers=frozenset({"cheap", "middling", "dear"}),
    )
    plan = make_plan(request, catalog_of(*models))
    payable = {item.id for item in models if 4 * cost(item) <= max_cost}
    assert payable
    assert "dear" not in payable
    assert {*ids(plan.synthesizers)} == payable >= {*ids(plan.proposers)}
    assert all({*ids(route)} == payable for _, route in plan.routes)


_SHIPPED = catalog.load()
assert _SHIPPED.available(HOSTED, ())


def test_a_split_that_only_a_failing_model_could_pay_for_is_left_to_a_healthy_one() -> None:
    free, dear = model("free", usd_per_mtok=0.0), model("dear", usd_per_mtok=1.0)
    request = ask(
        strategy="decompose_and_route", max_cost=1, providers=frozenset({"free", "dear"}), unhealthy=frozenset({"free"})
    )
    plan = make_plan(request, catalog_of(free, dear))
    assert ids(plan.proposers) == ["dear"]
    assert all(ids(route)[0] == "dear" for _, route in plan.routes)
