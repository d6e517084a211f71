"""Hedged calls whose answers are said as they are written: one has the floor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from executor.chat import CallError
from executor.readings import BelowMarker
from executor.reply import BrokenOffError
from executor.stages import total

if TYPE_CHECKING:
    from collections.abc import Callable

    from executor.conftest import Behaviour, Lab, World
    from executor.reply import Reply
    from executor.run import Run


def says(text: str = "Paris", **details: Any) -> Callable[[Lab], Behaviour]:
    return lambda lab: lab.says(text, **details)


def fails(reason: str, **details: Any) -> Callable[[Lab], Behaviour]:
    return lambda lab: lab.fails(reason, **details)


def hangs(lab: Lab) -> Behaviour:
    return lab.hangs()


def writes(*pieces: str, every_s: float, then: CallError | None = None) -> Callable[[Lab], Behaviour]:
    return lambda lab: lab.writes(*pieces, every_s=every_s, then=then)


def settled(world: World, run: Run) -> None:
    """Check that no call is under way and that every one is paid for."""
    assert world.provider.running == 0
    assert len(run.stages) == len(world.asked)
    assert all(stage.status != "running" for stage in run.stages)
    assert run._ledger._reserved == 0
    assert run._ledger.spent == total(run.stages).cost
    assert all(stage.cost > 0 for stage in run.stages if stage.status != "failed")


@dataclass(frozen=True)
class Spoken:
    """A race for the floor, and what is heard."""

    name: str
    a: Callable[[Lab], Behaviour]
    b: Callable[[Lab], Behaviour]
    asked: str
    by: str
    heard: tuple[str, ...]
    at_s: float
    degraded: tuple[tuple[str, str], ...] = ()


SPOKEN = [
    Spoken("in time", writes("a1", "a2", every_s=0.9), writes("b", every_s=0), "a", "a", ("a1", "a2"), 1.8),
    Spoken("slow after its first word", writes("a1", "a2", "a3", every_s=0.9), writes("b", every_s=0), "a", "a",
           ("a1", "a2", "a3"), 2.7),
    Spoken("the spare speaks first, and ends last", says("a", after_s=2.0), writes("b1", "b2", every_s=0.8), "ab", "b",
           ("b1", "b2"), 2.6, (("slow", "a"),)),
    Spoken("the planned one speaks first, and ends last", writes("a1", "a2", every_s=1.2), says("b", after_s=0.5),
           "ab", "a", ("a1", "a2"), 2.4),
    Spoken("both speak at once", writes("a1", "a2", every_s=1.5), writes("b1", every_s=0.5), "ab", "a",
           ("a1", "a2"), 3.0),
    Spoken("the planned one fails unheard", fails("rejected", after_s=1.1), writes("b1", "b2", every_s=0.8), "ab", "b",
           ("b1", "b2"), 2.6, (("rejected", "a"),)),
    Spoken("the spare fails unheard", writes("a1", "a2", every_s=1.2), fails("rejected"), "ab", "a", ("a1", "a2"), 2.4),
]  # fmt: skip


def listening(lab: Lab, a: Callable[[Lab], Behaviour], b: Callable[[Lab], Behaviour]) -> World:
    """The first words of `a` and `b` usually come after a second, and somebody listens."""
    world = lab.world({"a": [a(lab)], "b": [b(lab)], "c": [lab.says("Paris")]})
    world.watcher.listens = True
    for _ in range(20):
        world.hedges.observe("a", 1.0, streamed=True)
    return world


def ask(world: World, run: Run, lab: Lab) -> Reply:
    return world.do(run.ask_any("answer", lab.models("abc"), lab.question, speech=run.speech()))


@pytest.mark.parametrize("row", SPOKEN, ids=lambda row: row.name)
def test_who_speaks_first_has_the_floor_and_nothing_is_said_twice(lab: Lab, row: Spoken) -> None:
    world = listening(lab, row.a, row.b)
    run = world.run(lab.task())
    reply = ask(world, run, lab)
    settled(world, run)
    assert reply.model.id == row.by
    assert tuple(world.watcher.pieces) == row.heard
    assert reply.text == "".join(row.heard)
    assert "".join(world.asked) == row.asked
    assert run.elapsed_ms() == pytest.approx(row.at_s * 1e3)
    assert tuple((item.reason, item.model) for item in run.degradations) == row.degraded


CUT = CallError("unavailable", "cut", transient=True, worked=True)


@pytest.mark.parametrize(
    ("a", "b", "by", "heard"),
    [
        (writes("a1", every_s=0.5, then=CUT), says(), "a", ["a1"]),
        (writes("a1", every_s=1.5, then=CUT), hangs, "a", ["a1"]),
        (hangs, writes("b1", "b2", every_s=0.5, then=CUT), "b", ["b1", "b2"]),
        (says(after_s=2.5), writes("b1", "b2", every_s=0.9, then=CUT), "b", ["b1", "b2"]),
    ],
    ids=["alone", "the planned one", "the spare", "the spare, though the planned one would have answered"],
)
def test_who_breaks_off_after_its_first_words_is_followed_by_nobody(
    lab: Lab, a: Callable[[Lab], Behaviour], b: Callable[[Lab], Behaviour], by: str, heard: list[str]
) -> None:
    world = listening(lab, a, b)
    run = world.run(lab.task())
    with pytest.raises(BrokenOffError) as caught:
        ask(world, run, lab)
    settled(world, run)
    assert (caught.value.model.id, caught.value.failure.reason) == (by, "unavailable")
    assert world.watcher.pieces == heard
    assert "c" not in world.asked
    assert len(world.asked) == len(set(world.asked)), "nobody is asked again"


def test_a_reply_without_a_word_of_the_answer_can_win_too(lab: Lab) -> None:
    world = listening(lab, says("They agree.", after_s=1.5), says("They", after_s=0.9))
    run = world.run(lab.task())
    reply = world.do(run.ask_any("answer", lab.models("ab"), lab.question, speech=run.speech(BelowMarker)))
    settled(world, run)
    assert reply.text == "They agree."
    assert world.watcher.pieces == []


def test_who_loses_is_paid_for_what_it_has_read_and_written(lab: Lab) -> None:
    world = listening(lab, writes("FINAL", " ANSWER", every_s=0.6), says("FINAL ANSWER: Paris", after_s=0.1))
    run = world.run(lab.task())
    world.do(run.ask_any("answer", lab.models("ab"), lab.question, speech=run.speech(BelowMarker)))
    settled(world, run)
    lost = run.stages[0]
    assert (lost.status, lost.error_reason, lost.output) == ("cancelled", "cancelled", "FINAL")
    assert lost.estimated
    assert lost.prompt_tokens > 0
    assert lost.completion_tokens == len("FINAL") // 3 + 1
