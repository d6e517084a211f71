"""ensemble_moa, fault by fault: what is called, what is told, what is answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from executor.reply import AllFailedError
from executor.strategies.ensemble_moa import ensemble_moa

if TYPE_CHECKING:
    from collections.abc import Callable

    from executor.conftest import Behaviour, Lab, World
    from executor.run import Run
    from executor.strategies.answer import Answer

WROTE = "They agree.\nFINAL ANSWER:\nParis, of course."


@dataclass(frozen=True)
class Row:
    """What each model does, and what comes of it. Who is not named says Paris; `x` and `y` write."""

    name: str
    faults: dict[str, Callable[[Lab], Behaviour]] = field(default_factory=dict)
    #: In any order while they run at once; one letter a call.
    asked: str = "abcx"
    degraded: tuple[tuple[str, str, str], ...] = ()
    text: str = "Paris, of course."
    aggregator: str | None = "x"
    agreement: float | None = 1.0
    source: str = "agreement"


def says(text: str, **details: Any) -> Callable[[Lab], Behaviour]:
    return lambda lab: lab.says(text, **details)


def fails(reason: str, **details: Any) -> Callable[[Lab], Behaviour]:
    return lambda lab: lab.fails(reason, **details)


def hangs(lab: Lab) -> Behaviour:
    return lab.hangs()


ROWS = [
    Row("all good"),
    Row("one refuses", {"b": fails("rejected")}, degraded=(("propose", "rejected", "b"),)),
    Row("one fails twice", {"b": fails("unavailable", transient=True)}, "abbcx", (("propose", "unavailable", "b"),)),
    Row("one hangs", {"b": hangs}, degraded=(("propose", "straggler", "b"),)),
    Row("one answers nothing", {"b": says(" \n")}, degraded=(("propose", "empty_answer", "b"),)),
    Row("one is no text", {"b": says("\ud800")}, degraded=(("propose", "bad_response", "b"),)),
    Row("one dissents", {"c": says("Sydney, Australia")}, agreement=0.79 * 2 / (0.8 + 0.79 + 0.78)),
    Row("two dissent apart", {"b": says("Rome"), "c": says("Oslo")}, agreement=0.8 / (0.8 + 0.79 + 0.78)),
    Row(
        "two fail",
        {"a": fails("rejected"), "c": fails("too_large", worked=True)},
        "abc",
        (("propose", "rejected", "a"), ("propose", "too_large", "c")),
        "The capital is Paris.",
        None,
        None,
        "prior",
    ),
    Row(
        "all fail",
        {"a": fails("rejected"), "b": says(""), "c": fails("bad_response")},
        "abcf",
        (
            ("propose", "rejected", "a"),
            ("propose", "empty_answer", "b"),
            ("propose", "bad_response", "c"),
            ("propose", "all_failed", ""),
        ),
        "The capital is Paris.",
        None,
        None,
        "prior",
    ),
    Row(
        "all hang",
        {"a": hangs, "b": hangs, "c": hangs},
        "abcf",
        (
            ("propose", "timeout", "a"),
            ("propose", "timeout", "b"),
            ("propose", "timeout", "c"),
            ("propose", "all_failed", ""),
        ),
        "The capital is Paris.",
        None,
        None,
        "prior",
    ),
    Row("a writer refuses", {"x": fails("rejected")}, "abcxy", (("aggregate", "rejected", "x"),), aggregator="y"),
    Row("a writer hangs", {"x": hangs}, "abcxy", (("aggregate", "timeout", "x"),), aggregator="y"),
    Row("a writer writes nothing", {"x": says("")}, "abcxy", (("aggregate", "empty_answer", "x"),), aggregator="y"),
    Row(
        "no writer writes",
        {"x": fails("rejected"), "y": fails("unavailable")},
        "abcxy",
        (("aggregate", "rejected", "x"), ("aggregate", "unavailable", "y")),
        "The capital is Paris.",
        None,
    ),
    Row("no marker is all answer", {"x": says("Paris it is.")}, text="Paris it is."),
]


def play(lab: Lab, faults: dict[str, Callable[[Lab], Behaviour]]) -> tuple[World, Run]:
    script = {name: [lab.says("The capital is Paris.")] for name in "abcf"}
    script |= {name: [lab.says(WROTE)] for name in "xy"}
    script |= {name: [fault(lab)] for name, fault in faults.items()}
    world = lab.world(script)
    return world, world.run(lab.moa())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_fault_has_its_outcome(lab: Lab, row: Row) -> None:
    world, run = play(lab, row.faults)
    answer: Answer = world.do(ensemble_moa(run))
    assert "".join(sorted(world.asked)) == "".join(sorted(row.asked))
    assert tuple((item.stage, item.reason, item.model) for item in run.degradations) == row.degraded
    assert answer.text == row.text
    assert answer.aggregator == row.aggregator
    assert answer.agreement == (None if row.agreement is None else pytest.approx(row.agreement, abs=0.01))
    assert answer.confidence.source == row.source
    assert 0 <= answer.confidence.value <= 1
    assert world.provider.running == 0
    assert all(stage.status != "running" for stage in run.stages)


def test_when_everything_fails_all_failures_are_counted(lab: Lab) -> None:
    world, run = play(lab, {name: fails("rejected") for name in "abc"} | {"f": fails("unavailable")})
    with pytest.raises(AllFailedError, match=r"^3 rejected, 1 unavailable$"):
        world.do(ensemble_moa(run))
    assert sorted(world.asked) == ["a", "b", "c", "f"]


def test_without_stand_ins_all_proposers_failing_is_the_end(lab: Lab) -> None:
    world = lab.world({name: [lab.fails("rejected")] for name in "abc"})
    with pytest.raises(AllFailedError, match=r"^3 rejected$"):
        world.do(ensemble_moa(world.run(lab.moa(fallbacks=""))))


def test_without_writers_the_best_proposal_is_the_answer_and_degraded(lab: Lab) -> None:
    world = lab.world({name: [lab.says("Paris")] for name in "abc"})
    run = world.run(lab.moa(synthesizers=""))
    assert world.do(ensemble_moa(run)).text == "Paris"
    assert [(item.stage, item.reason, item.model) for item in run.degradations] == [("aggregate", "unavailable", "")]


def test_the_aggregate_stage_depends_on_the_proposals_that_it_read(lab: Lab) -> None:
    world, run = play(lab, {"b": fails("rejected")})
    world.do(ensemble_moa(run))
    assert [(stage.name, stage.depends_on) for stage in run.stages] == [
        ("propose", ()),
        ("propose", ()),
        ("propose", ()),
        ("aggregate", (0, 2)),
    ]


def test_who_dissents_is_noted(lab: Lab) -> None:
    world, run = play(lab, {"b": says("Sydney")})
    world.do(ensemble_moa(run))
    assert [bool(stage.note) for stage in run.stages] == [False, True, False, False]


def test_the_best_proposal_is_the_best_model_of_the_largest_group(lab: Lab) -> None:
    faults = {"a": says("Sydney"), "b": says("Paris, by b"), "c": says("Paris"), "x": hangs, "y": hangs}
    world, run = play(lab, faults)
    assert world.do(ensemble_moa(run)).text == "Paris, by b"


def test_a_writer_that_the_limit_cut_finishes_with_length(lab: Lab) -> None:
    world, run = play(lab, {"x": says("They agree.\nFINAL ANSWER:\nParis, of", finish="length")})
    answer = world.do(ensemble_moa(run))
    assert (answer.text, answer.finish_reason, answer.aggregator) == ("Paris, of", "length", "x")


@pytest.mark.parametrize("written", ["Answer A and B differ in", "They agree.\nFINAL ANSWER:"])
def test_a_writer_that_the_limit_cut_before_its_answer_has_not_answered(lab: Lab, written: str) -> None:
    world, run = play(lab, {"x": says(written, finish="length")})
    answer = world.do(ensemble_moa(run))
    assert (answer.text, answer.finish_reason, answer.aggregator) == ("The capital is Paris.", "stop", None)
    assert [(item.stage, item.reason, item.model) for item in run.degradations] == [("aggregate", "empty_answer", "x")]


def test_one_proposer_needs_no_writer(lab: Lab) -> None:
    world = lab.world({"a": [lab.says("Paris")]})
    run = world.run(lab.moa("a"))
    answer = world.do(ensemble_moa(run))
    assert (answer.text, answer.agreement, answer.confidence.source) == ("Paris", None, "prior")
    assert world.asked == ["a"]
    assert not run.degradations


def test_one_model_may_be_sampled_several_times(lab: Lab) -> None:
    samples = [lab.says("Paris"), lab.says("Paris"), lab.fails("rejected"), lab.says("Rome")]
    world = lab.world({"a": samples, "x": [lab.says(WROTE)]})
    run = world.run(lab.moa("aaaa"))
    answer = world.do(ensemble_moa(run))
    assert world.asked == ["a"] * 4 + ["x"]
    assert answer.agreement == pytest.approx(2 / 3)
    assert [(item.reason, item.model) for item in run.degradations] == [("rejected", "a")]


def test_proposers_leave_time_for_the_writer(lab: Lab) -> None:
    world, run = play(lab, dict.fromkeys("ab", hangs))
    world.do(ensemble_moa(run))
    assert run.elapsed_ms() == pytest.approx(36_000)


def test_eight_who_fail_at_once_leave_a_call_to_who_stands_in(lab: Lab) -> None:
    world = lab.world({name: [lab.fails(transient=True)] for name in "abcdefgh"} | {"s": [lab.says("Paris")]})
    run = world.run(lab.task(lab.plan("abcdefgh", "xy", "s", "ensemble_moa")))
    answer = world.do(ensemble_moa(run))
    assert (answer.text, world.asked[-1]) == ("Paris", "s")
    assert len(world.asked) == 15
