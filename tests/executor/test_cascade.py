"""cascade, rung by rung: who is asked in which order, when the climb ends, what is told and answered."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from executor.reply import AllFailedError
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
#: What a call may cost at most, and what it costs.
WORST, PAID = 19 * 2 + 100 * 10, 20 * 2 + 5 * 10


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
    lab: Lab, faults: dict[str, Callable[[Lab], Behaviour]], *, bar: float = 0.72, max_cost: int | None = None,
    logprobs: str = "", fallbacks: str = "f",
) -> tuple[World, Run]:  # fmt: skip
    world = lab.world({name: [faults.get(name, says("Paris"))(lab)] for name in "abcf"})
    rungs = tuple(lab.model(name, quality=quality, logprobs=name in logprobs) for name, quality in LADDER.items())
    plan = replace(lab.plan("abc", "", fallbacks, "cascade"), proposers=rungs, confidence_bar=bar)
    return world, world.run(lab.task(plan), max_cost=max_cost)


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


@pytest.mark.parametrize(("bar", "asked", "value"), [(0.62, "a", 0.65), (0.72, "ab", 0.84), (0.85, "abc", 0.9)])
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


@pytest.mark.parametrize("max_cost", [1, WORST, PAID + WORST - 1])
def test_the_budget_ends_the_climb_with_the_answer_so_far(lab: Lab, max_cost: int) -> None:
    world, run = play(lab, {}, max_cost=max_cost)
    answer = world.do(cascade(run))
    assert (answer.text, answer.confidence.value, answer.agreement) == ("Paris", 0.65, None)
    assert "".join(world.asked) == "a"
    assert told(run) == (("answer", "budget", "b"),)
    assert total(run.stages).cost == PAID


def test_a_budget_that_fits_the_next_rung_does_not_end_the_climb(lab: Lab) -> None:
    world, run = play(lab, {}, max_cost=PAID + WORST)
    world.do(cascade(run))
    assert "".join(world.asked) == "ab"
    assert not run.degradations


def test_what_went_wrong_is_told_in_order_and_as_it_was(lab: Lab) -> None:
    world, run = play(lab, {"b": fails("bad_response", worked=True)}, max_cost=PAID + WORST)
    assert world.do(cascade(run)).text == "Paris"
    assert [(item.reason, item.model, item.action) for item in run.degradations] == [
        ("bad_response", "b", "went on to c"),
        ("budget", "c", "stopped escalating and returned the best answer so far"),
    ]


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


def test_a_rung_takes_half_of_the_time_at_most_while_others_are_above_it(lab: Lab) -> None:
    world, run = play(lab, {"a": hangs, "b": hangs})
    world.do(cascade(run))
    assert [stage.duration_ms for stage in run.stages] == pytest.approx([30_000, 15_000, 0])


def test_the_strongest_may_take_all_the_time_when_there_is_an_answer_already(lab: Lab) -> None:
    world, run = play(lab, {"a": says("Rome"), "c": says("Paris", after_s=59.0)})
    assert world.do(cascade(run)).agreement == pytest.approx(1.48 / ALL)


def test_the_strongest_leaves_time_for_a_stand_in_when_there_is_no_answer(lab: Lab) -> None:
    world, run = play(lab, {"a": fails("rejected"), "b": fails("rejected"), "c": hangs, "f": says("Paris", after_s=20)})
    assert world.do(cascade(run)).text == "Paris"
    assert run.elapsed_ms() == pytest.approx(50_000)


def test_open_breakers_are_climbed_past_and_tried_when_nobody_else_is_left(lab: Lab) -> None:
    world, run = play(lab, {})
    world.break_open("a")
    world.do(cascade(run))
    assert ("".join(world.asked), told(run)) == ("bc", without_a("circuit_open"))
    world, run = play(lab, {}, fallbacks="")
    world.break_open(*"abc")
    assert world.do(cascade(run)).text == "Paris"
    assert "".join(world.asked) == "a"
    assert told(run)[-1] == ("answer", "all_failed", "")


def test_when_everything_fails_all_failures_are_counted(lab: Lab) -> None:
    world, run = play(lab, {name: fails("rejected") for name in "abc"} | {"f": fails("unavailable")})
    with pytest.raises(AllFailedError, match=r"^3 rejected, 1 unavailable$"):
        world.do(cascade(run))


def test_second_tries_count_against_the_call_cap(lab: Lab) -> None:
    names = "abcdefghi"
    world = lab.world({name: [lab.fails("unavailable", transient=True)] for name in names})
    run = world.run(lab.task(lab.plan(names, strategy="cascade")))
    with pytest.raises(AllFailedError, match=r"^8 unavailable, 1 call_limit$"):
        world.do(cascade(run))
    assert len(world.asked) == 16


def test_one_rung_is_one_call(lab: Lab) -> None:
    world = lab.world({"a": [lab.says("Paris")]})
    run = world.run(lab.task(lab.plan("a", strategy="cascade", confidence_bar=0.99)))
    answer = world.do(cascade(run))
    assert (answer.text, answer.agreement, answer.confidence.source) == ("Paris", None, "prior")
    assert (world.asked, run.degradations) == (["a"], [])
