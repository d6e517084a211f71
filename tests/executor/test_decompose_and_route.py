"""decompose_and_route, fault by fault: who plans, who works on what and when, who writes, what is told."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from executor.chat import CallError, Message
from executor.reply import BrokenOffError
from executor.strategies.decompose_and_route import decompose_and_route

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from executor.chat import ChatReply, ChatRequest
    from executor.conftest import Behaviour, Lab, World
    from executor.run import Run
    from executor.strategies.answer import Answer


def plan(*parts: tuple[str, str], capabilities: str = "", around: str = "{}") -> str:
    """Write a plan of parts, each with its needs; the first letter of a part's capability is who serves it."""
    nodes = [
        {"id": name, "task": f"do {name}" + "".join(f" with ${need}" for need in needs), "needs": list(needs),
         "capability": (capabilities[index : index + 1] or "m") + "-work"}
        for index, (name, needs) in enumerate(parts)
    ]  # fmt: skip
    return around.replace("{}", json.dumps({"nodes": nodes}))


TWO = plan(("1", ""), ("2", ""), capabilities="mn")
CHAIN = plan(("1", ""), ("2", "1"), capabilities="mn")
CIRCLE = plan(("1", "2"), ("2", "1"))
WROTE = "One and two."


def says(text: str, **details: Any) -> Callable[[Lab], Behaviour]:
    return lambda lab: lab.says(text, **details)


def fails(reason: str, **details: Any) -> Callable[[Lab], Behaviour]:
    return lambda lab: lab.fails(reason, **details)


def hangs(lab: Lab) -> Behaviour:
    return lab.hangs()


Faults = dict[str, "Sequence[Callable[[Lab], Behaviour]]"]


@dataclass(frozen=True)
class Row:
    """What each model does, call by call, and what comes of it.

    `x`, and after it `y`, plan and write; `m` and `n` work, each with `s` after it; `a` answers all alone.
    """

    name: str
    faults: Faults = field(default_factory=dict)
    asked: str = "xmnx"
    degraded: tuple[tuple[str, str, str], ...] = ()
    text: str = WROTE
    aggregator: str | None = "x"


ALONE = "All of it."
ROWS = [
    Row("all good"),
    Row("one part is no split", {"x": [says(plan(("1", "")))]}, "xa", (), ALONE, None),
    Row("a circle, then a plan", {"x": [says(CIRCLE), says(TWO), says(WROTE)]}, "xxmnx"),
    Row("prose, then a plan", {"x": [says("I would split it."), says(TWO), says(WROTE)]}, "xxmnx"),
    Row("never a plan", {"x": [says(CIRCLE)]}, "xxa", (("decompose", "bad_response", "x"),), ALONE, None),
    Row("the planner refuses", {"x": [fails("rejected")]}, "xymnxy",
        (("decompose", "rejected", "x"), ("synthesize", "rejected", "x")), aggregator="y"),
    Row("no planner answers", {"x": [fails("rejected")], "y": [says("")]}, "xya",
        (("decompose", "rejected", "x"), ("decompose", "empty_answer", "y")), ALONE, None),
    Row("a circle, then nobody", {"x": [says(CIRCLE), fails("rejected")], "y": [fails("rejected")]}, "xxya",
        (("decompose", "rejected", "x"), ("decompose", "rejected", "y")), ALONE, None),
    Row("the planner hangs", {"x": [hangs, says(WROTE)]}, "xymnx", (("decompose", "timeout", "x"),)),
    Row("a worker refuses", {"m": [fails("rejected")]}, "xmsnx", (("solve", "rejected", "m"),)),
    Row("a worker hangs", {"m": [hangs]}, "xmsnx", (("solve", "timeout", "m"),)),
    Row("a part has no worker", {"m": [fails("rejected")], "s": [says("")]}, "xmsnx",
        (("solve", "rejected", "m"), ("solve", "empty_answer", "s"))),
    Row("no part has one", {name: [fails("rejected")] for name in "mns"}, "xmnssa",
        (("solve", "rejected", "m"), ("solve", "rejected", "s"), ("solve", "rejected", "n"), ("solve", "rejected", "s"),
         ("solve", "all_failed", "")), ALONE, None),
    Row("the writer refuses", {"x": [says(TWO), fails("rejected")]}, "xmnxy", (("synthesize", "rejected", "x"),),
        aggregator="y"),
    Row("no writer writes", {"x": [says(TWO), fails("rejected")], "y": [says(" ")]}, "xmnxy",
        (("synthesize", "rejected", "x"), ("synthesize", "empty_answer", "y")), "by m\n\nby n", None),
    Row("no writer writes and a part is missing", {"x": [says(TWO), hangs], "y": [hangs], "m": [fails("rejected")],
        "s": [fails("rejected")]}, "xmsnxy",
        (("solve", "rejected", "m"), ("solve", "rejected", "s"), ("synthesize", "timeout", "x"),
         ("synthesize", "timeout", "y")), "by n", None),
]  # fmt: skip


def plans_or_writes(lab: Lab) -> Behaviour:
    async def behave(request: ChatRequest, on_text: Any) -> ChatReply:
        splits = request.messages[-1].text.startswith("Split the task")
        return await lab.says(TWO if splits else WROTE)(request, on_text)

    return behave


def play(lab: Lab, faults: Faults, **changes: Any) -> tuple[World, Run]:
    script: dict[str, list[Behaviour]] = {name: [lab.says(f"by {name}")] for name in "mnpqs"}
    script |= {"x": [plans_or_writes(lab)], "y": [plans_or_writes(lab)], "a": [lab.says(ALONE)]}
    script |= {name: [fault(lab) for fault in behaviours] for name, behaviours in faults.items()}
    routes = {f"{name}-work": lab.models(name + "s") for name in "mnpq"} | {"general": lab.models("s")}
    world = lab.world(script)
    usual = lab.plan("a", "xy", "", "decompose_and_route", routes=routes)
    return world, world.run(lab.task(replace(usual, **changes)))


def degraded(run: Run) -> tuple[tuple[str, str, str], ...]:
    return tuple((item.stage, item.reason, item.model) for item in run.degradations)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_fault_has_its_outcome(lab: Lab, row: Row) -> None:
    world, run = play(lab, row.faults)
    answer: Answer = world.do(decompose_and_route(run))
    assert "".join(sorted(world.asked)) == "".join(sorted(row.asked))
    assert sorted(degraded(run)) == sorted(row.degraded)
    assert answer.text == row.text
    assert answer.aggregator == row.aggregator
    assert answer.agreement is None
    assert answer.confidence.source == "prior"
    assert world.provider.running == 0
    assert all(stage.status != "running" for stage in run.stages)


def test_without_anybody_who_plans_one_model_answers_and_that_is_told(lab: Lab) -> None:
    world, run = play(lab, {}, synthesizers=())
    assert world.do(decompose_and_route(run)).text == ALONE
    assert degraded(run) == (("decompose", "unavailable", ""),)


def test_the_planner_is_told_once_what_was_wrong(lab: Lab) -> None:
    world, run = play(lab, {"x": [says(CIRCLE), says(TWO), says(WROTE)]})
    world.do(decompose_and_route(run))
    first, second = world.provider.asked[:2]
    assert second.messages[: len(first.messages)] == first.messages
    told = second.messages[len(first.messages) :]
    assert told[0] == Message("assistant", CIRCLE)
    assert "the needs go in a circle" in told[1].text
    assert [(stage.name, stage.depends_on) for stage in run.stages[:2]] == [("decompose", ()), ("decompose", (0,))]
    assert [request.temperature for request in (first, second)] == [0.0, 0.0]


def test_the_planner_may_name_only_what_somebody_serves(lab: Lab) -> None:
    world, run = play(lab, {})
    world.do(decompose_and_route(run))
    asked = world.provider.asked[0].messages[-1].text
    assert "at most 8" in asked
    assert "Capabilities: m-work, n-work, p-work, q-work, general." in asked


@pytest.mark.parametrize("finish", ["stop", "length"])
def test_parts_one_after_another_are_cut_when_one_of_them_is(lab: Lab, finish: str) -> None:
    faults: Faults = {"x": [says(TWO), fails("rejected")], "y": [fails("rejected")]}
    world, run = play(lab, faults | {"n": [says("by n", finish=finish)]})
    assert world.do(decompose_and_route(run)).finish_reason == finish


def test_an_answer_is_as_sure_as_its_weakest_part(lab: Lab) -> None:
    routes = {"m-work": (lab.model("m", quality=0.9),), "n-work": (lab.model("n", quality=0.4),)}
    world, run = play(lab, {}, routes=routes)
    assert world.do(decompose_and_route(run)).confidence.value == pytest.approx(0.4)


def test_a_plan_that_names_a_half_pair_is_asked_for_again(lab: Lab) -> None:
    half = '{"nodes": [{"id": "1", "task": "do \\ud800"}, {"id": "2", "task": "do 2"}]}'
    world, run = play(lab, {"x": [says(half), says(TWO), says(WROTE)]})
    assert world.do(decompose_and_route(run)).text == WROTE


@pytest.mark.parametrize(
    ("faults", "seconds"),
    [
        ({"x": [hangs], "y": [hangs]}, 30.0),
        ({"m": [hangs], "s": [hangs]}, 50.0),
        ({"x": [says(CHAIN), says(WROTE)], "m": [hangs], "n": [hangs], "s": [hangs]}, 75.0),
    ],
    ids=["planners", "one part", "a part after a part"],
)
def test_who_hangs_leaves_time_for_those_who_come_after(lab: Lab, faults: Faults, seconds: float) -> None:
    world, run = play(lab, faults)
    run = world.run(run.task, deadline_s=100.0)
    assert world.do(decompose_and_route(run)).text in {ALONE, WROTE}
    assert run.elapsed_ms() == pytest.approx(seconds * 1e3)


def test_eight_parts_make_eleven_calls_at_most_if_all_goes_well(lab: Lab) -> None:
    parts = plan(*((str(number), "") for number in range(8)))
    world, run = play(lab, {"x": [says(CIRCLE), says(parts), says(WROTE)]})
    assert world.do(decompose_and_route(run)).text == WROTE
    assert len(world.asked) == 11


def test_failing_parts_never_make_more_than_sixteen_calls(lab: Lab) -> None:
    parts = plan(*((str(number), "") for number in range(8)), capabilities="mnpqmnpq")
    flaky: Faults = {name: [fails("unavailable", transient=True)] for name in "npq"}
    world, run = play(lab, flaky | {"x": [says(parts), says(WROTE)]})
    assert world.do(decompose_and_route(run)).text.startswith("by m\n\nby ")
    assert len(world.asked) == 16
    assert degraded(run)[-2:] == (("synthesize", "call_limit", "x"), ("synthesize", "call_limit", "y"))


def test_a_fault_of_ours_is_raised_alone_and_leaves_no_call_behind(lab: Lab) -> None:
    world, run = play(lab, {"m": [lambda lab: lab.breaks(ZeroDivisionError())], "n": [hangs]})
    with pytest.raises(ZeroDivisionError):
        world.do(decompose_and_route(run))
    assert world.provider.running == 0
    assert {stage.status for stage in run.stages} == {"ok", "failed", "cancelled"}


def test_the_writer_alone_is_heard(lab: Lab) -> None:
    world, run = play(lab, {})
    world.watcher.listens = True
    answer = world.do(decompose_and_route(run))
    assert "".join(world.watcher.pieces) == answer.text == WROTE


def test_a_writer_that_breaks_off_is_followed_by_nobody(lab: Lab) -> None:
    def cut(lab: Lab) -> Behaviour:
        return lab.writes("One", every_s=0.1, then=CallError("unavailable", "cut", worked=True))

    world, run = play(lab, {"x": [says(TWO), cut]})
    world.watcher.listens = True
    with pytest.raises(BrokenOffError):
        world.do(decompose_and_route(run))
    assert world.watcher.pieces == ["One"]
    assert "y" not in world.asked


def test_every_call_is_paid_for(lab: Lab) -> None:
    world, run = play(lab, {})
    world.do(decompose_and_route(run))
    assert run._ledger.spent == 4 * (20 * 2 + 5 * 10)
