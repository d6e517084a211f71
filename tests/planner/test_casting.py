"""Who plays in the shapes with several calls: judges, agents, samples and routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from planner.catalog import TASKS
from planner.plan import make_plan
from planner.policies import POLICIES
from planner.shapes import STRATEGIES

from .requests import OPEN, TRIVIAL, ask, catalog_of, ids, model

if TYPE_CHECKING:
    from planner.catalog import Catalog, Model
    from planner.plan import Plan

_COMPOUND = "Who founded Rome? When did it fall?"


def planned(strategy: str, *models: Model, **fields: object) -> Plan:
    providers = frozenset(item.provider for item in models)
    return make_plan(ask(OPEN, strategy=strategy, providers=providers, **fields), catalog_of(*models))


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("policy", POLICIES)
def test_one_model_is_enough_for_every_shape(policy: str, strategy: str) -> None:
    plan = planned(strategy, model("only"), policy=policy)
    everyone = {*ids(plan.proposers), *ids(plan.synthesizers), *ids(plan.judges)}
    assert everyone == {"only"}
    assert (plan.strategy, plan.k, plan.fallbacks) == (strategy, len(plan.proposers), ())
    assert bool(plan.synthesizers) == (strategy in {"ensemble_moa", "rank_fuse", "decompose_and_route"})
    assert bool(plan.judges) == (strategy in {"rank_fuse", "debate"})
    assert bool(plan.routes) == (strategy == "decompose_and_route")


@pytest.mark.parametrize("strategy", ["single", "cascade", "decompose_and_route", "debate"])
def test_k_means_nothing_to_shapes_that_have_a_width_of_their_own(shipped: Catalog, strategy: str) -> None:
    assert make_plan(ask(strategy=strategy, k=8), shipped) == make_plan(ask(strategy=strategy), shipped)


@pytest.mark.parametrize("strategy", ["ensemble_moa", "rank_fuse", "self_consistency"])
@pytest.mark.parametrize(("policy", "k"), [("efficiency", 2), ("balanced", 2), ("depth", 3)])
def test_k_is_the_requests_or_else_the_policys(shipped: Catalog, strategy: str, policy: str, k: int) -> None:
    assert make_plan(ask(OPEN, strategy=strategy, policy=policy), shipped).k == k
    for wished in range(1, 9):
        plan = make_plan(ask(OPEN, strategy=strategy, policy=policy, k=wished), shipped)
        assert plan.k == len(plan.proposers) == wished


@pytest.mark.parametrize("strategy", ["ensemble_moa", "rank_fuse", "debate"])
def test_a_view_from_elsewhere_is_worth_a_little_quality(strategy: str) -> None:
    first, sister = model("a", 0.90), model("sister", 0.89, provider="a", family="a")
    assert ids(planned(strategy, first, sister, model("b", 0.84), k=2).proposers) == ["a", "b"]
    assert ids(planned(strategy, first, sister, model("b", 0.78), k=2).proposers) == ["a", "sister"]


def test_rank_fuse_proposes_and_writes_as_an_ensemble_does(shipped: Catalog) -> None:
    fused = make_plan(ask(OPEN, strategy="rank_fuse", judge_model="mistral-small-4"), shipped)
    mixed = make_plan(ask(OPEN, strategy="ensemble_moa", judge_model="mistral-small-4"), shipped)
    assert fused.proposers == mixed.proposers
    assert fused.synthesizers == mixed.synthesizers
    assert fused.synthesizers[0].id == "mistral-small-4"
    assert mixed.judges == ()


def test_judges_are_the_best_of_different_families(shipped: Catalog) -> None:
    plan = make_plan(ask(OPEN, strategy="rank_fuse", judge_model="mistral-small-4"), shipped)
    qualities = [item.quality[plan.task] for item in plan.judges]
    assert len(plan.judges) == len({item.family for item in plan.judges}) == 4
    assert qualities == sorted(qualities, reverse=True)
    assert "mistral-small-4" not in ids(plan.judges)


def test_a_family_judges_twice_where_there_are_no_others(shipped: Catalog) -> None:
    plan = make_plan(ask(OPEN, strategy="rank_fuse", providers=frozenset({"anthropic"})), shipped)
    assert sorted(ids(plan.judges)) == ["claude-haiku-4.5", "claude-opus-4.5", "claude-sonnet-4.5"]


def test_somebody_who_did_not_propose_can_judge() -> None:
    plan = planned("rank_fuse", model("a", 0.9), model("b", 0.9), model("c", 0.6), model("d", 0.2), k=2)
    assert sorted(ids(plan.proposers)) == ["a", "b"]
    assert ids(plan.judges) == ["a", "b", "c"]


def test_a_failing_model_does_not_judge_while_others_can() -> None:
    plan = planned("rank_fuse", model("a", 0.9), model("b", 0.8), model("c", 0.8), unhealthy=frozenset("a"))
    assert ids(plan.judges) == ["b", "c"]


def test_self_consistency_samples_the_one_model_of_best_value() -> None:
    models = [model("good", 0.9, 5), model("cheap", 0.7, 0.1), model("other", 0.89, 5)]
    assert ids(planned("self_consistency", *models, policy="depth", k=5).proposers) == ["good"] * 5
    assert ids(planned("self_consistency", *models, policy="efficiency", k=2).proposers) == ["cheap"] * 2
    plan = planned("self_consistency", *models, policy="depth")
    assert ids(plan.fallbacks) == ["other", "cheap"]
    assert "Asked: good (3 samples)." in plan.rationale
    assert "no further model" not in plan.rationale


@pytest.mark.parametrize(("policy", "agents"), [("efficiency", 2), ("balanced", 2), ("depth", 3)])
def test_a_debate_has_at_least_two_agents_of_different_families(shipped: Catalog, policy: str, agents: int) -> None:
    plan = make_plan(ask(OPEN, strategy="debate", policy=policy), shipped)
    assert plan.k == len({item.family for item in plan.proposers}) == agents
    assert (len(plan.judges), plan.synthesizers) == (3, ())


def test_a_debate_repeats_the_best_where_too_few_are_near() -> None:
    plan = planned("debate", model("best", 0.9), model("poor", 0.3), policy="depth")
    assert ids(plan.proposers) == ["best"] * 3


def test_a_debate_is_judged_by_somebody_else_when_one_is_near() -> None:
    models = [model("a", 0.90, 1), model("b", 0.90, 1), model("near", 0.81, 50), model("far", 0.69, 50)]
    plan = planned("debate", *models)
    assert sorted(ids(plan.proposers)) == ["a", "b"]
    assert ids(plan.judges) == ["near", "a", "b"]


def test_the_judge_that_is_asked_for_judges_a_debate() -> None:
    models = [model("a", 0.90, 1), model("b", 0.90, 1), model("near", 0.81, 50), model("far", 0.6, 50)]
    assert ids(planned("debate", *models, judge_model="far").judges)[0] == "far"
    assert planned("debate", *models, judge_model="nobody") == planned("debate", *models)


def test_every_kind_of_part_has_a_route_of_its_own(shipped: Catalog) -> None:
    plan = make_plan(ask(_COMPOUND, judge_model="mistral-small-4"), shipped)
    assert plan.strategy == "decompose_and_route"
    assert [task for task, _ in plan.routes] == list(TASKS)
    routes = dict(plan.routes)
    assert {len(models) for models in routes.values()} == {3}
    assert routes["code"] != routes["creative"]
    assert plan.k == len(plan.proposers) == 1
    assert len(plan.synthesizers) == 3
    assert "mistral-small-4" not in ids(plan.synthesizers)
    assert f"Split by: {plan.synthesizers[0].id}." in plan.rationale


def test_a_part_goes_to_the_models_that_are_good_at_it() -> None:
    coder = model("coder", quality={**dict.fromkeys(TASKS, 0.5), "code": 0.95})
    poet = model("poet", quality={**dict.fromkeys(TASKS, 0.5), "creative": 0.95})
    routes = dict(planned("decompose_and_route", coder, poet).routes)
    assert ids(routes["code"]) == ["coder", "poet"]
    assert ids(routes["creative"]) == ["poet", "coder"]


def test_a_part_is_not_taken_for_trivial_because_the_prompt_is() -> None:
    models = [model("good", 0.9, 5), model("cheap", 0.7, 0.1)]
    providers = frozenset({"good", "cheap"})
    request = ask(TRIVIAL, strategy="decompose_and_route", policy="balanced", providers=providers)
    plan = make_plan(request, catalog_of(*models))
    assert ids(plan.proposers) == ["cheap"]
    assert {route[0].id for _, route in plan.routes} == {"good"}


def test_a_route_ends_with_failing_models_when_others_are_too_few() -> None:
    models = [model("a", 0.9), model("b", 0.5), model("c", 0.4), model("d", 0.3)]
    routes = planned("decompose_and_route", *models, unhealthy=frozenset("ad")).routes
    assert {tuple(ids(route)) for _, route in routes} == {("b", "c", "a")}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_who_reads_others_answers_can_hold_them(strategy: str) -> None:
    small = model("small", 0.95, context_window=500)
    plan = planned(strategy, small, model("a", 0.9), model("b", 0.9), k=4)
    for readers in (plan.synthesizers, plan.judges):
        if strategy != "decompose_and_route" and readers:
            assert readers[0].id != "small"
