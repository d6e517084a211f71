"""cascade at its limits: money, time, breakers, calls."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from executor.reply import AllFailedError
from executor.stages import total
from executor.strategies.cascade import cascade

if TYPE_CHECKING:
    from collections.abc import Callable

    from executor.conftest import Behaviour, Lab, World
    from executor.run import Run

#: Alone, none of them clears the bar; when two agree, they do.
LADDER = {"a": 0.65, "b": 0.68, "c": 0.8}
#: What a call may cost at most, and what it costs.
WORST, PAID = 19 * 2 + 100 * 10, 20 * 2 + 5 * 10


def says(text: str, **details: Any) -> Callable[[Lab], Behaviour]:
    return lambda lab: lab.says(text, **details)


def fails(reason: str, **details: Any) -> Callable[[Lab], Behaviour]:
    return lambda lab: lab.fails(reason, **details)


def hangs(lab: Lab) -> Behaviour:
    return lab.hangs()


def play(
    lab: Lab, faults: dict[str, Callable[[Lab], Behaviour]], *, max_cost: int | None = None, fallbacks: str = "f"
) -> tuple[World, Run]:
    world = lab.world({name: [faults.get(name, says("Paris"))(lab)] for name in "abcf"})
    rungs = tuple(lab.model(name, quality=quality) for name, quality in LADDER.items())
    plan = replace(lab.plan("abc", "", fallbacks, "cascade"), proposers=rungs)
    return world, world.run(lab.task(plan), max_cost=max_cost)


def told(run: Run) -> tuple[tuple[str, str, str], ...]:
    return tuple((item.stage, item.reason, item.model) for item in run.degradations)


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


def test_a_rung_takes_half_of_the_time_at_most_while_others_are_above_it(lab: Lab) -> None:
    world, run = play(lab, {"a": hangs, "b": hangs})
    world.do(cascade(run))
    assert [stage.duration_ms for stage in run.stages] == pytest.approx([30_000, 15_000, 0])


def test_the_strongest_may_take_all_the_time_when_there_is_an_answer_already(lab: Lab) -> None:
    world, run = play(lab, {"a": says("Rome"), "c": says("Paris", after_s=59.0)})
    assert world.do(cascade(run)).agreement == pytest.approx(1.48 / sum(LADDER.values()))


def test_the_strongest_may_take_all_the_time_when_nobody_could_step_in(lab: Lab) -> None:
    refused = fails("rejected")
    world, run = play(lab, {"a": refused, "b": refused, "c": says("Paris", after_s=59.0)}, fallbacks="")
    assert world.do(cascade(run)).text == "Paris"


def test_the_strongest_leaves_time_for_a_stand_in_when_there_is_no_answer(lab: Lab) -> None:
    world, run = play(lab, {"a": fails("rejected"), "b": fails("rejected"), "c": hangs, "f": says("Paris", after_s=20)})
    assert world.do(cascade(run)).text == "Paris"
    assert run.elapsed_ms() == pytest.approx(50_000)


def test_open_breakers_are_climbed_past_and_tried_when_nobody_else_is_left(lab: Lab) -> None:
    world, run = play(lab, {})
    world.break_open("a")
    world.do(cascade(run))
    assert ("".join(world.asked), told(run)) == ("bc", (("answer", "circuit_open", "a"),))
    world, run = play(lab, {}, fallbacks="")
    world.break_open(*"abc")
    assert world.do(cascade(run)).text == "Paris"
    assert "".join(world.asked) == "a"
    assert told(run)[-1] == ("answer", "all_failed", "")


def test_when_everything_fails_all_failures_are_counted(lab: Lab) -> None:
    world, run = play(lab, {name: fails("rejected") for name in "abc"} | {"f": fails("unavailable")})
    with pytest.raises(AllFailedError, match=r"^3 rejected, 1 unavailable$"):
        world.do(cascade(run))


def test_second_tries_count_against_the_call_cap_and_never_take_the_last_calls(lab: Lab) -> None:
    names = "abcdefghi"
    world = lab.world({name: [lab.fails("unavailable", transient=True)] for name in names})
    run = world.run(lab.task(lab.plan(names, strategy="cascade")))
    with pytest.raises(AllFailedError, match=r"^9 unavailable$"):
        world.do(cascade(run))
    assert len(world.asked) == 16


def test_one_rung_is_one_call(lab: Lab) -> None:
    world = lab.world({"a": [lab.says("Paris")]})
    run = world.run(lab.task(lab.plan("a", strategy="cascade", confidence_bar=0.99)))
    answer = world.do(cascade(run))
    assert (answer.text, answer.agreement, answer.confidence.source) == ("Paris", None, "prior")
    assert (world.asked, run.degradations) == (["a"], [])
