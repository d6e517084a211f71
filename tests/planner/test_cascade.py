"""The rungs of a cascade."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from planner.catalog import LOCAL, TASKS
from planner.plan import make_plan

from .requests import HOSTED, PLAIN, ask, catalog_of, ids, model

if TYPE_CHECKING:
    from planner.catalog import Catalog, Model
    from planner.plan import Plan


def climbed(*models: Model, **fields: Any) -> list[str]:
    return ids(planned(*models, **fields).proposers)


def planned(*models: Model, **fields: Any) -> Plan:
    providers = frozenset(item.provider for item in models)
    return make_plan(ask(**{"strategy": "cascade", "providers": providers, **fields}), catalog_of(*models))


def test_the_cheapest_comes_first_and_the_strongest_last() -> None:
    assert climbed(model("dear", 0.9, 9), model("cheap", 0.6, 1), model("middle", 0.8, 3)) == [
        "cheap",
        "middle",
        "dear",
    ]


def test_a_rung_that_is_no_better_is_left_out() -> None:
    assert climbed(model("a", 0.7, 1), model("b", 0.7, 2), model("c", 0.6, 3), model("d", 0.9, 9)) == ["a", "d"]


def test_what_is_better_and_cheaper_is_where_it_starts() -> None:
    assert climbed(model("best", 0.9, 1), model("worse", 0.8, 2)) == ["best"]


def test_of_two_that_are_strongest_the_cheaper_is_last() -> None:
    assert climbed(model("a", 0.6, 1), model("b", 0.9, 5), model("c", 0.9, 8)) == ["a", "b"]


def test_of_two_that_are_cheapest_the_better_is_first() -> None:
    assert climbed(model("a", 0.6, 1), model("b", 0.7, 1)) == ["b"]


def test_a_hopeless_model_is_no_first_rung() -> None:
    assert climbed(model("poor", 0.44, 0.1), model("fair", 0.46, 1), model("best", 0.9, 5)) == ["fair", "best"]


def test_what_costs_nearly_as_much_as_the_strongest_is_no_stop_on_the_way() -> None:
    assert climbed(model("a", 0.6, 1), model("b", 0.89, 8), model("c", 0.9, 9)) == ["a", "c"]


def test_there_are_four_rungs_at_most_and_they_are_counted_by_k() -> None:
    many = [model(f"m{place}", 0.5 + place * 0.04, 2.0**place) for place in range(10)]
    plan = planned(*many, policy="efficiency", k=7)
    assert plan.k == len(plan.proposers) == 4
    assert ids(plan.proposers)[0] == "m0"
    assert ids(plan.proposers)[-1] == "m9"


def test_of_near_values_the_one_from_elsewhere_is_taken() -> None:
    first, last = model("a", 0.6, 1), model("d", 0.9, 9)
    same = model("b", 0.81, 3, provider="a", family="a")
    other = model("c", 0.80, 3)
    assert climbed(first, same, other, last)[1] == "c"


def test_the_operators_own_models_wait_until_nothing_better_is_there(shipped: Catalog) -> None:
    local = ("qwen2.5-coder-1.5b", "smollm2-135m")
    with_hosted = make_plan(ask(strategy="cascade", local_models=local), shipped)
    assert LOCAL not in {item.provider for item in with_hosted.proposers}
    alone = make_plan(ask(strategy="cascade", local_models=local, providers=frozenset()), shipped)
    assert ids(alone.proposers) == ["qwen2.5-coder-1.5b"]


def test_a_failing_model_is_no_rung() -> None:
    models = [model("a", 0.6, 1), model("b", 0.7, 2), model("c", 0.9, 9)]
    assert climbed(*models, unhealthy=frozenset("ac")) == ["b"]
    assert climbed(*models, unhealthy=frozenset("abc")) == ["a", "b", "c"]


def test_a_budget_takes_no_rung_away_but_a_first_one_that_it_can_not_pay() -> None:
    models = [model("a", 0.6, 1), model("b", 0.8, 50), model("c", 0.9, 100)]
    assert climbed(*models, max_cost=10**10) == climbed(*models)
    # A free model of the operator's own is better than a first rung that may not be asked.
    plan = planned(*models, max_cost=1, local_models=("mine",))
    assert ids(plan.proposers)[0] == "mine"


def test_one_model_is_a_cascade_of_one() -> None:
    plan = planned(model("only"))
    assert (ids(plan.proposers), plan.k, plan.synthesizers, plan.judges) == (["only"], 1, (), ())


def test_the_rationale_names_the_rungs_in_turn() -> None:
    assert "Asked in turn: a, then b." in planned(model("a", 0.6, 1), model("b", 0.9, 9)).rationale


@pytest.mark.parametrize("policy", ["efficiency", "balanced", "depth"])
@pytest.mark.parametrize("task", TASKS)
def test_rungs_of_the_catalog_get_better_and_dearer(shipped: Catalog, policy: str, task: str) -> None:
    asked = {
        "code": "Write a Python function which sorts a list of names by length",
        "math": "Calculate the area of a triangle with the sides 7, 8 and 9",
        "translation": "Translate this letter, " + PLAIN,
        "creative": "Write a poem about rain",
        "extraction": "Summarize this: " + PLAIN,
        "factual": "Who was the third king of that country, and of what did he die in the end?",
        "reasoning": "Explain why the sky is blue",
        "general": PLAIN,
    }[task]
    plan = make_plan(ask(asked, policy=policy, strategy="cascade"), shipped)
    assert plan.task == task
    qualities = [item.quality[task] for item in plan.proposers]
    prices = [item.price.output for item in plan.proposers if item.price]
    assert qualities == sorted(set(qualities))
    assert prices == sorted(set(prices))
    assert qualities[-1] == max(item.quality[task] for item in shipped.available(HOSTED, ()))
