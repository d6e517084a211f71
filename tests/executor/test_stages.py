"""Sums over stages; the critical path against a brute-force oracle."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor.chat import ChatRequest
from executor.stages import Stage, Totals, total

if TYPE_CHECKING:
    from executor.conftest import Lab


def stage(lab: Lab, name: str = "a", *, start_ms: float = 0.0, duration_ms: float = 1.0, **changes: Any) -> Stage:
    price = changes.pop("input_price", 2)
    asked = ChatRequest(name, lab.question, 100, 0.7)
    model = lab.model(name, input_price=price)
    return Stage(0, "propose", model, 1, (), asked, start_ms, duration_ms, **{"status": "ok", **changes})


def test_no_stages_sum_up_to_nothing() -> None:
    assert total(()) == Totals()


def test_every_stage_counts_whatever_became_of_it(lab: Lab) -> None:
    statuses = ["ok", "failed", "cancelled"]
    sums = total(stage(lab, status=status, prompt_tokens=10, completion_tokens=3, cost=7) for status in statuses)
    assert (sums.prompt_tokens, sums.completion_tokens, sums.cost) == (30, 9, 21)


def test_one_estimate_makes_the_sum_an_estimate(lab: Lab) -> None:
    assert not total([stage(lab), stage(lab)]).estimated
    assert total([stage(lab), stage(lab, estimated=True), stage(lab)]).estimated


def test_a_model_without_a_price_counts_as_such_and_makes_the_sum_an_estimate(lab: Lab) -> None:
    sums = total([stage(lab, cost=5), stage(lab, input_price=None), stage(lab, input_price=None, status="failed")])
    assert (sums.cost, sums.unpriced_calls, sums.estimated) == (5, 2, True)


def test_models_that_were_used_are_those_that_answered_in_order_of_their_start(lab: Lab) -> None:
    stages = [
        stage(lab, "c", start_ms=3),
        stage(lab, "a", start_ms=2),
        stage(lab, "b", start_ms=1, status="failed"),
        stage(lab, "a", start_ms=0, status="cancelled"),
        stage(lab, "a", start_ms=4),
    ]
    assert total(stages).models_used == ["a", "c"]


@pytest.mark.parametrize(
    ("spans", "busy"),
    [
        ([(0, 5)], 5),
        ([(3, 5)], 5),
        ([(0, 5), (5, 5)], 10),
        ([(0, 5), (7, 5)], 10),
        ([(0, 5), (0, 5), (0, 5)], 5),
        ([(0, 10), (2, 3)], 10),
        ([(2, 3), (0, 10), (9, 5)], 14),
        ([(0, 0)], 0),
    ],
)
def test_the_critical_path_is_the_time_in_which_a_call_was_under_way(
    lab: Lab, spans: list[tuple[float, float]], busy: float
) -> None:
    sums = total(stage(lab, start_ms=start, duration_ms=duration) for start, duration in spans)
    assert sums.models_ms == busy


SPANS = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 60)), max_size=16)


@settings(deadline=None)
@given(spans=SPANS, seed=st.integers(0, 100))
def test_the_critical_path_is_the_union_of_the_intervals(lab: Lab, spans: list[tuple[int, int]], seed: int) -> None:
    ticks = {tick for start, duration in spans for tick in range(start, start + duration)}
    stages = [stage(lab, start_ms=start, duration_ms=duration) for start, duration in spans]
    Random(seed).shuffle(stages)  # noqa: S311 - a test's dice
    assert total(stages).models_ms == len(ticks)
