"""Which models are asked, in which shape, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from planner.catalog import LOCAL
from planner.plan import PlanError, make_plan
from planner.shapes import STRATEGIES

from .requests import HOSTED, OPEN, PLAIN, TRIVIAL, ask, catalog_of, ids, model

if TYPE_CHECKING:
    from planner.catalog import Catalog


@pytest.mark.parametrize(("policy", "bar"), [("efficiency", 0.62), ("balanced", 0.72), ("depth", 0.85)])
@pytest.mark.parametrize("text", [TRIVIAL, OPEN, PLAIN])
def test_a_plan_says_what_was_seen_and_why_this_shape(shipped: Catalog, policy: str, text: str, bar: float) -> None:
    plan = make_plan(ask(text, policy=policy), shipped)
    assert (plan.policy, plan.confidence_bar, plan.forced) == (policy, bar, False)
    assert plan.rationale.startswith(f"Signals: {', '.join(plan.signals)}. Under {policy}, {plan.strategy}: ")
    assert all(item.id in plan.rationale for item in plan.proposers)


def test_efficiency_asks_for_value_and_depth_for_quality(shipped: Catalog) -> None:
    def price(policy: str) -> int:
        chosen = make_plan(ask(policy=policy, strategy="single"), shipped).proposers[0]
        assert chosen.price
        return chosen.price.output

    assert price("efficiency") <= price("balanced") <= price("depth")


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("policy", ["efficiency", "balanced", "depth"])
def test_a_strategy_that_is_named_is_taken(shipped: Catalog, policy: str, strategy: str) -> None:
    plan = make_plan(ask(TRIVIAL, policy=policy, strategy=strategy), shipped)
    assert (plan.strategy, plan.forced) == (strategy, True)
    assert "the request named it" in plan.rationale


def test_seven_strategies_have_a_name() -> None:
    assert len(set(STRATEGIES)) == 7


def test_proposers_are_of_different_families(shipped: Catalog) -> None:
    plan = make_plan(ask(policy="depth", k=4, strategy="ensemble_moa"), shipped)
    assert len({item.family for item in plan.proposers}) == 4
    assert len({item.provider for item in plan.proposers}) == 4


def test_a_model_that_is_clearly_best_is_sampled_again_instead() -> None:
    catalog = catalog_of(model("best", 0.9), model("poor", 0.5), model("poorer", 0.4))
    plan = make_plan(ask(k=3, strategy="ensemble_moa", providers=frozenset({"best", "poor", "poorer"})), catalog)
    assert ids(plan.proposers) == ["best"] * 3
    assert ids(plan.fallbacks) == ["poor", "poorer"]
    assert "best (3 samples)" in plan.rationale
    assert "Sampled again" in plan.rationale


def test_models_that_are_near_are_all_asked_before_one_is_asked_again() -> None:
    catalog = catalog_of(model("a", 0.9), model("b", 0.8), model("c", 0.3))
    plan = make_plan(ask(k=4, strategy="ensemble_moa", providers=frozenset("abc")), catalog)
    assert sorted(ids(plan.proposers)) == ["a", "a", "a", "b"]


@pytest.mark.parametrize("known", ["gemini-2.5-pro", "mistral-small-4"])
def test_the_judge_that_is_asked_for_writes(shipped: Catalog, known: str) -> None:
    assert make_plan(ask(OPEN, judge_model=known, strategy="ensemble_moa"), shipped).synthesizers[0].id == known


@pytest.mark.parametrize("judge", ["nobody", "", "GPT-5.2"])
def test_a_judge_that_nobody_knows_changes_nothing(shipped: Catalog, judge: str) -> None:
    assert make_plan(ask(OPEN, judge_model=judge), shipped) == make_plan(ask(OPEN), shipped)


def test_a_judge_without_a_key_on_the_server_changes_nothing(shipped: Catalog) -> None:
    request = {"providers": frozenset({"openai", "mistral"})}
    assert make_plan(ask(OPEN, judge_model="grok-4", **request), shipped) == make_plan(ask(OPEN, **request), shipped)


def test_writers_stand_by_quality() -> None:
    catalog = catalog_of(model("a", 0.7, 0.1), model("b", 0.9, 9.0), model("c", 0.8, 5.0), model("d", 0.75, 2.0))
    plan = make_plan(ask(OPEN, providers=frozenset("abcd"), strategy="ensemble_moa"), catalog)
    assert ids(plan.synthesizers) == ["b", "c", "d"]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("policy", ["efficiency", "balanced", "depth"])
def test_failing_models_stand_last_everywhere(policy: str, strategy: str) -> None:
    """Even when what is left is poor and dear."""
    catalog = catalog_of(model("good", 0.95, 0.01), model("poor", 0.1, 500.0), model("worse", 0.05, 900.0))
    request = ask(
        "a " * 50_000 + PLAIN,
        policy=policy,
        strategy=strategy,
        judge_model="good",
        providers=frozenset({"good", "poor", "worse"}),
        unhealthy=frozenset({"good"}),
    )
    plan = make_plan(request, catalog)
    assert "good" not in ids(plan.proposers)
    assert "good" not in ids(plan.synthesizers[:-1])
    assert "good" not in ids(plan.judges[:-1])
    assert all("good" not in ids(route[:-1]) for _, route in plan.routes)
    assert ids(plan.fallbacks)[-1] == "good"


def test_when_all_fail_they_are_planned_as_if_none_did(shipped: Catalog) -> None:
    everyone = frozenset(shipped.models)
    sick, well = make_plan(ask(OPEN, unhealthy=everyone), shipped), make_plan(ask(OPEN), shipped)
    assert sick == well


def test_nothing_configured_is_no_provider(shipped: Catalog) -> None:
    for providers in (frozenset[str](), frozenset({"nobody"}), frozenset({LOCAL})):
        with pytest.raises(PlanError) as caught:
            make_plan(ask(providers=providers), shipped)
        assert caught.value.reason == "no_provider_available"


def test_local_models_need_no_provider_and_may_be_unknown(shipped: Catalog) -> None:
    local = ("qwen2.5-coder-1.5b", "my-own-model", "my-own-model")
    plan = make_plan(ask(OPEN, providers=frozenset(), local_models=local), shipped)
    assert sorted(ids(plan.proposers)) == ["my-own-model", "qwen2.5-coder-1.5b"]
    assert {item.provider for item in plan.proposers} == {LOCAL}
    assert plan.fallbacks == ()


def test_a_prompt_is_given_only_to_models_that_can_read_it(shipped: Catalog) -> None:
    plan = make_plan(ask("word " * 200_000, policy="depth", k=8, strategy="ensemble_moa"), shipped)
    windows = [item.context_window for item in (*plan.proposers, *plan.synthesizers, *plan.fallbacks)]
    assert min(windows) * 3 > 5 * 200_000


def test_a_prompt_that_nobody_can_read_is_refused(shipped: Catalog) -> None:
    for request in (
        ask("word " * 5_000, providers=frozenset(), local_models=("mine",)),
        ask("x" * 12_000_000),
    ):
        with pytest.raises(PlanError) as caught:
            make_plan(request, shipped)
        assert caught.value.reason == "invalid_request"
        assert caught.value.message == "messages: longer than any available model can read"


def test_all_messages_count_for_the_length_and_the_last_of_the_user_for_the_signals(shipped: Catalog) -> None:
    messages = (
        ("system", "Translate nothing."),
        ("user", "Write a haiku " + "x" * 600_000),
        ("assistant", "No."),
        ("user", TRIVIAL),
        ("assistant", "Prove that 1 + 1 = 2"),
    )
    plan = make_plan(ask(messages=messages), shipped)
    assert plan.task == "factual"
    assert plan.proposers[0].context_window > 200_000


def test_every_provider_alone_can_serve_every_policy(shipped: Catalog) -> None:
    for provider in HOSTED:
        for policy in ("efficiency", "balanced", "depth"):
            plan = make_plan(ask(OPEN, policy=policy, providers=frozenset({provider})), shipped)
            assert {item.provider for item in plan.proposers} == {provider}
