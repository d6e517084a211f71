"""Hedged calls: who is asked too, who answers, what it costs, and that nothing is said twice."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from executor.reply import AllFailedError
from executor.stages import total

if TYPE_CHECKING:
    from collections.abc import Callable

    from executor.conftest import Behaviour, Lab, World
    from executor.reply import Reply
    from executor.run import Run

#: Seconds after which a first word is late, in every test.
USUAL = 1.0


@dataclass(frozen=True)
class Row:
    """What `a`, its spare `b` and the last resort `c` do, and what comes of it."""

    name: str
    a: Callable[[Lab], Behaviour]
    b: Callable[[Lab], Behaviour]
    asked: str
    by: str
    at_s: float
    degraded: tuple[tuple[str, str], ...] = ()
    #: Status of each call, in order of start.
    ended: str = "ok"


def says(text: str = "Paris", **details: Any) -> Callable[[Lab], Behaviour]:
    return lambda lab: lab.says(text, **details)


def fails(reason: str, **details: Any) -> Callable[[Lab], Behaviour]:
    return lambda lab: lab.fails(reason, **details)


def hangs(lab: Lab) -> Behaviour:
    return lab.hangs()


ROWS = [
    Row("in time", says(after_s=0.9), says(), "a", "a", 0.9),
    Row("fails in time", fails("rejected"), says(), "ab", "b", 0.0, (("rejected", "a"),), "failed ok"),
    Row("late", says(after_s=9.0), says(after_s=0.5), "ab", "b", 1.5, (("slow", "a"),), "cancelled ok"),
    Row("hangs", hangs, says(), "ab", "b", 1.0, (("slow", "a"),), "cancelled ok"),
    Row("late, but first", says(after_s=1.2), says(after_s=0.5), "ab", "a", 1.2, (), "ok cancelled"),
    Row("both at once", says(after_s=1.5), says(after_s=0.5), "ab", "a", 1.5, (), "ok ok"),
    Row("fails late", fails("rejected", after_s=2.0), says(after_s=3.0), "ab", "b", 4.0, (("rejected", "a"),),
        "failed ok"),
    Row("its spare fails", says(after_s=3.0), fails("rejected"), "ab", "a", 3.0, (), "ok failed"),
    Row("its spare answers nothing", says(after_s=3.0), says(" "), "ab", "a", 3.0, (), "ok failed"),
    Row("both fail at once", fails("rejected", after_s=1.5), fails("too_large", after_s=0.5), "abbc", "c", 2.0,
        (("rejected", "a"), ("too_large", "b")), "failed failed failed ok"),
]  # fmt: skip


def usual(world: World, models: str = "abc", *, streamed: bool = False) -> None:
    """Let the first words of models come after a second; of each twenty have been heard."""
    for model in models:
        for _ in range(20):
            world.hedges.observe(model, USUAL, streamed=streamed)


def lab_world(lab: Lab, a: Callable[[Lab], Behaviour], b: Callable[[Lab], Behaviour]) -> World:
    return lab.world({"a": [a(lab)], "b": [b(lab)], "c": [lab.says("Paris")]})


def ask(world: World, run: Run, lab: Lab, names: str = "abc") -> Reply:
    reply = world.do(run.ask_any("answer", lab.models(names), lab.question, speech=run.speech()))
    settled(world, run)
    return reply


def settled(world: World, run: Run) -> None:
    """Check that no call is under way and that every one is paid for."""
    assert world.provider.running == 0
    assert len(run.stages) == len(world.asked)
    assert all(stage.status != "running" for stage in run.stages)
    assert run._ledger._reserved == 0
    assert run._ledger.spent == total(run.stages).cost
    assert all(stage.cost > 0 for stage in run.stages if stage.status != "failed")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_pace_has_its_outcome(lab: Lab, row: Row) -> None:
    world = lab_world(lab, row.a, row.b)
    usual(world)
    run = world.run(lab.task())
    assert ask(world, run, lab).model.id == row.by
    assert "".join(world.asked) == row.asked
    assert run.elapsed_ms() == pytest.approx(row.at_s * 1e3)
    assert tuple((item.reason, item.model) for item in run.degradations) == row.degraded
    assert " ".join(stage.status for stage in run.stages) == row.ended


def test_a_second_call_goes_out_when_the_first_word_is_late_and_says_what_it_is(lab: Lab) -> None:
    world = lab_world(lab, hangs, says())
    usual(world)
    run = world.run(lab.task())
    ask(world, run, lab)
    assert [(stage.start_ms, stage.note) for stage in run.stages] == [(0.0, ""), (pytest.approx(1e3), "hedge")]


@pytest.mark.parametrize("words", [0, 19])
def test_while_nobody_knows_what_is_usual_nobody_is_late(lab: Lab, words: int) -> None:
    world = lab_world(lab, says(after_s=30.0), says())
    for _ in range(words):
        world.hedges.observe("a", USUAL, streamed=False)
    run = world.run(lab.task())
    assert ask(world, run, lab).model.id == "a"
    assert world.asked == ["a"]


def test_only_another_provider_is_asked_too(lab: Lab) -> None:
    world = lab_world(lab, hangs, says("Rome"))
    usual(world)
    run = world.run(lab.task())
    models = lab.model("a"), lab.model("b", provider="provider-a"), lab.model("c")
    assert world.do(run.ask_any("answer", models, lab.question)).model.id == "c"
    assert world.asked == ["a", "c"]


def test_one_provider_alone_is_not_asked_twice(lab: Lab) -> None:
    world = lab_world(lab, says(after_s=5.0), says("Rome"))
    usual(world)
    run = world.run(lab.task())
    models = lab.model("a"), lab.model("b", provider="provider-a")
    assert world.do(run.ask_any("answer", models, lab.question)).model.id == "a"
    assert world.asked == ["a"]


def test_an_outage_does_not_double_the_calls(lab: Lab) -> None:
    world = lab_world(lab, hangs, says())
    usual(world, "a")
    while world.hedges.take():
        pass
    hedged = 0
    for _ in range(100):
        run = world.run(lab.task(), deadline_s=4.0)
        assert world.do(run.ask_any("answer", lab.models("ab"), lab.question)).model.id == "b"
        hedged += sum(stage.note == "hedge" for stage in run.stages)
    assert 5 <= hedged <= 10  # and fewer than one in ten, once its breaker is open


def test_a_model_that_went_dark_is_left_alone_after_eight_lost_races_and_tried_again(lab: Lab) -> None:
    world = lab.world({"a": [lab.hangs()] * 8 + [lab.says("Rome")], "b": [lab.says("Paris")]})
    usual(world, "a")
    for _ in range(100):
        world.hedges.observe("b", USUAL, streamed=False)

    def asked() -> str:
        return world.do(world.run(lab.task()).ask_any("answer", lab.models("ab"), lab.question)).model.id

    assert "".join(asked() for _ in range(9)) == "b" * 9
    assert world.asked == ["a", "b"] * 8 + ["b"]
    assert world.breakers.unhealthy() == ("a",)
    world.do(asyncio.sleep(2.0))
    assert asked() == "a"
    assert world.breakers.unhealthy() == ()


def test_without_a_token_the_first_call_is_awaited(lab: Lab) -> None:
    world = lab_world(lab, says(after_s=5.0), says())
    usual(world)
    while world.hedges.take():
        pass
    run = world.run(lab.task())
    assert ask(world, run, lab).model.id == "a"
    assert world.asked == ["a"]
    assert not run.degradations


def test_a_budget_without_room_for_a_second_call_says_nothing(lab: Lab) -> None:
    world = lab_world(lab, says(after_s=5.0), says())
    usual(world)
    run = world.run(lab.task(), max_cost=1_500)  # one call may cost about 1,050
    assert ask(world, run, lab).model.id == "a"
    assert world.asked == ["a"]
    assert not run.degradations


def test_a_spare_whose_breaker_is_open_says_nothing(lab: Lab) -> None:
    world = lab_world(lab, says(after_s=1.5), says())
    usual(world)
    world.break_open("b")
    run = world.run(lab.task())
    assert ask(world, run, lab).model.id == "a"
    assert world.asked == ["a"]
    assert not run.degradations


def test_the_sixteenth_call_has_no_spare(lab: Lab) -> None:
    world = lab.world({"a": [lab.says("Paris")] * 15 + [lab.says("Paris", after_s=5.0)], "b": [lab.says("Rome")]})
    usual(world)
    run = world.run(lab.task())
    for _ in range(16):
        assert ask(world, run, lab).model.id == "a"
    assert world.asked == ["a"] * 16


def test_cancelling_the_question_cancels_both_calls(lab: Lab) -> None:
    world = lab_world(lab, hangs, hangs)
    usual(world)
    run = world.run(lab.task())

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.0):
                await run.ask_any("answer", lab.models("abc"), lab.question)

    world.do(give_up())
    settled(world, run)
    assert [stage.status for stage in run.stages] == ["cancelled", "cancelled"]


@pytest.mark.parametrize("faulty", ["a", "b"])
def test_a_fault_of_ours_goes_on_and_leaves_no_call_behind(lab: Lab, faulty: str) -> None:
    async def break_late(_request: object, _on_text: object) -> Any:
        await asyncio.sleep(2.0)
        raise ZeroDivisionError

    world = lab.world({name: [break_late if name == faulty else lab.hangs()] for name in "ab"})
    usual(world)
    run = world.run(lab.task())
    with pytest.raises(ZeroDivisionError):
        ask(world, run, lab)
    settled(world, run)
    assert sorted(stage.status for stage in run.stages) == ["cancelled", "failed"]


def test_when_nobody_answers_every_failure_is_named(lab: Lab) -> None:
    world = lab_world(lab, fails("rejected", after_s=2.0), fails("too_large"))
    usual(world)
    run = world.run(lab.task())
    with pytest.raises(AllFailedError, match=r"^1 rejected, 1 too_large$"):
        ask(world, run, lab, "ab")
    settled(world, run)
