"""cascade, rung by rung: who is asked in which order, when the climb ends, what is told and answered."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from executor.stages import total
from executor.strategies.cascade import cascade

if TYPE_CHECKING:
    from collections.abc import Callable

    from executor.conftest import Behaviour, Lab, World
    from executor.run import Run
    from executor.strategies.answer import Answer

#: Alone, `a` clears the bar of efficiency; when `b` agrees, that of balanced; when `c` does too, that of depth.
LADDER = {"a": 0.65, "b": 0.68, "c": 0.8}
ALL = sum(LADDER.values())
#: What a call costs.
PAID = 20 * 2 + 5 * 10


@dataclass(frozen=True)
class Row:
    """What each rung does, and what comes of it. Who is not named says Paris."""

    name: str
    faults: dict[str, Callable[[Lab], Behaviour]] = field(default_factory=dict)
    #: In order; one letter a call.
    asked: str = "ab"
    degraded: tuple[tuple[str, str, str], ...] = ()
    text: str = "Paris"
    agreement: float | None = 1.0
    source: str = "agreement"


def says(text: str, *counts: Any, **details: Any) -> Callable[[Lab], Behaviour]:
    return lambda lab: lab.says(text, *counts, **details)


def fails(reason: str, **details: Any) -> Callable[[Lab], Behaviour]:
    return lambda lab: lab.fails(reason, **details)


def hangs(lab: Lab) -> Behaviour:
    return lab.hangs()


def without_a(reason: str) -> tuple[tuple[str, str, str], ...]:
    return (("answer", reason, "a"),)


ROWS = [
    Row("the first two agree"),
    Row("the first refuses", {"a": fails("rejected")}, "abc", without_a("rejected")),
    Row("the first fails twice", {"a": fails("unavailable", transient=True)}, "aabc", without_a("unavailable")),
    Row(
        "the first asks for a short pause",
        {"a": fails("rate_limited", transient=True, retry_after_s=1.0)},
        "aabc",
        without_a("rate_limited"),
    ),
    Row(
        "the first asks for a long pause",
        {"a": fails("rate_limited", transient=True, retry_after_s=30.0)},
        "abc",
        without_a("rate_limited"),
    ),
    Row("the first hangs", {"a": hangs}, "abc", without_a("timeout")),
    Row("the first breaks off", {"a": fails("bad_response", worked=True)}, "abc", without_a("bad_response")),
    Row("the first says too much", {"a": fails("too_large", worked=True)}, "abc", without_a("too_large")),
    Row("the first says nothing", {"a": says(" \n")}, "abc", without_a("empty_answer")),
    Row("the first is no text", {"a": says("\ud800")}, "abc", without_a("bad_response")),
    Row("the first counts absurdly", {"a": says("Paris", 10**12, -7)}),
    Row("the first speaks of something else", {"a": says("東京です")}, "abc", agreement=1.48 / ALL),
    Row("the first errs", {"a": says("Rome")}, "abc", agreement=1.48 / ALL),
    Row("the second errs", {"b": says("Rome")}, "abc", agreement=1.45 / ALL),
    Row("none agrees", {"a": says("Rome"), "b": says("Oslo")}, "abc", agreement=0.8 / ALL),
    Row("the weaker two outweigh the strongest", {"c": says("Rome")}, "ab"),
    Row("the second fails", {"b": fails("rejected")}, "abc", (("answer", "rejected", "b"),)),
    Row(
        "the strongest fails",
        {"a": says("Rome"), "c": hangs},
        "abc",
        (("answer", "timeout", "c"),),
        agreement=0.68 / 1.33,
    ),
    Row(
        "one answers below the bar",
        {"b": fails("rejected"), "c": says("")},
        "abc",
        (("answer", "rejected", "b"), ("answer", "empty_answer", "c")),
        agreement=None,
        source="prior",
    ),
    Row(
        "all fail",
        {"a": fails("rejected"), "b": says(""), "c": hangs},
        "abcf",
        (
            ("answer", "rejected", "a"),
            ("answer", "empty_answer", "b"),
            ("answer", "timeout", "c"),
            ("answer", "all_failed", ""),
        ),
        agreement=None,
        source="prior",
    ),
]


def play(
    lab: Lab, faults: dict[str, Callable[[Lab], Behaviour]], *, bar: float = 0.72, logprobs: str = ""
) -> tuple[World, Run]:
    world = lab.world({name: [faults.get(name, says("Paris"))(lab)] for name in "abcf"})
    rungs = tuple(lab.model(name, quality=quality, logprobs=name in logprobs) for name, quality in LADDER.items())
    plan = replace(lab.plan("abc", "", "f", "cascade"), proposers=rungs, confidence_bar=bar)
    return world, world.run(lab.task(plan))


def told(run: Run) -> tuple[tuple[str, str, str], ...]:
    return tuple((item.stage, item.reason, item.model) for item in run.degradations)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_fault_has_its_outcome(lab: Lab, row: Row) -> None:
    world, run = play(lab, row.faults)
    answer: Answer = world.do(cascade(run))
    assert "".join(world.asked) == row.asked
    assert told(run) == row.degraded
    assert answer.text == row.text
    assert answer.aggregator is None
    assert answer.agreement == (None if row.agreement is None else pytest.approx(row.agreement))
    assert answer.confidence.source == row.source
    assert 0 <= answer.confidence.value <= 1
    assert world.provider.running == 0


@pytest.mark.parametrize(
    ("bar", "asked", "value"), [(0.62, "a", 0.65), (0.65, "a", 0.65), (0.72, "ab", 0.84), (0.85, "abc", 0.9)]
)
def test_the_climb_ends_at_the_policy_s_bar(lab: Lab, bar: float, asked: str, value: float) -> None:
    world, run = play(lab, {}, bar=bar)
    answer = world.do(cascade(run))
    assert "".join(world.asked) == asked
    assert answer.confidence.value == pytest.approx(value)
    assert total(run.stages).cost == PAID * len(asked)
    assert not run.degradations


def test_the_strongest_ends_the_climb_even_below_the_bar(lab: Lab) -> None:
    world, run = play(lab, {"a": says("Rome"), "b": says("Oslo")})
    answer = world.do(cascade(run))
    assert answer.confidence.value == pytest.approx((0.8 + 0.8 / ALL) / 2)
    assert answer.confidence.value < 0.72
    assert not run.degradations


def test_rungs_are_asked_one_after_another_and_who_dissents_is_noted(lab: Lab) -> None:
    world, run = play(lab, {"a": says("Rome", after_s=1.0), "b": says("Paris", after_s=2.0)})
    world.do(cascade(run))
    assert [stage.start_ms for stage in run.stages] == pytest.approx([0, 1000, 3000])
    assert run.elapsed_ms() == pytest.approx(3000)
    assert [bool(stage.note) for stage in run.stages] == [True, False, False]


def test_log_probabilities_are_asked_only_of_models_that_tell_them(lab: Lab) -> None:
    world, run = play(lab, {"a": says("Paris", logprob=math.log(0.9))}, bar=0.85, logprobs="ac")
    world.do(cascade(run))
    assert [request.logprobs for request in world.provider.asked] == [True, False, True]


@pytest.mark.parametrize(("logprob", "bar", "asked"), [(-0.001, 0.85, "a"), (-3.0, 0.62, "ab")])
def test_log_probabilities_move_the_first_rung_over_the_bar_or_below(
    lab: Lab, logprob: float, bar: float, asked: str
) -> None:
    world, run = play(lab, {"a": says("Paris", logprob=logprob)}, bar=bar, logprobs="a")
    answer = world.do(cascade(run))
    assert "".join(world.asked) == asked
    assert answer.confidence.source == ("logprob" if asked == "a" else "agreement")


@pytest.mark.parametrize("logprob", [math.nan, math.inf, -math.inf])
def test_a_log_probability_that_can_not_be_leaves_a_number(lab: Lab, logprob: float) -> None:
    world, run = play(lab, {"a": says("Paris", logprob=logprob)}, bar=0.01, logprobs="a")
    answer = world.do(cascade(run))
    assert 0 <= answer.confidence.value <= 1
    assert "".join(world.asked) == "a"


def test_of_a_strongest_rung_that_fails_nobody_claims_that_a_weaker_one_stepped_in(lab: Lab) -> None:
    world, run = play(lab, {"a": says("Rome"), "c": fails("rejected")})
    world.do(cascade(run))
    assert [item.action for item in run.degradations] == ["returned the best answer so far"]


def test_an_answer_that_the_limit_cut_does_not_clear_the_bar(lab: Lab) -> None:
    world, run = play(lab, {"a": says("Pari", finish="length"), "b": says("Rome")}, bar=0.5)
    answer = world.do(cascade(run))
    assert "".join(world.asked) == "ab"
    assert (answer.text, answer.finish_reason) == ("Rome", "stop")


def test_when_the_limit_cuts_all_answers_the_best_cut_one_is_returned(lab: Lab) -> None:
    cut = says("Paris", finish="length")
    world, run = play(lab, dict.fromkeys("abc", cut), bar=0.1)
    answer = world.do(cascade(run))
    assert "".join(world.asked) == "abc"
    assert (answer.text, answer.finish_reason) == ("Paris", "length")


def test_a_whole_answer_goes_before_a_cut_one_that_says_the_same(lab: Lab) -> None:
    world, run = play(lab, {"b": says("Paris", finish="length")})
    answer = world.do(cascade(run))
    assert "".join(world.asked) == "ab"
    assert (answer.finish_reason, answer.confidence.parts.prior, answer.agreement) == ("stop", 0.65, 1.0)
