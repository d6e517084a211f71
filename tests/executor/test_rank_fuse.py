"""rank_fuse, fault by fault: who judges whom, who wins, who writes, what is told."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from executor.chat import CallError, ChatReply, ChatRequest
from executor.reply import AllFailedError, BrokenOffError
from executor.strategies.rank_fuse import rank_fuse

if TYPE_CHECKING:
    from collections.abc import Callable

    from executor.conftest import Behaviour, Lab, World
    from executor.run import Run
    from executor.strategies.answer import Answer

WROTE = "They differ.\nFINAL ANSWER:\nRome, of course."
TEXTS = {"a": "Paris", "b": "Rome", "c": "Oslo", "d": "Bern", "e": "Riga", "f": "Kyiv", "g": "Baku", "h": "Lima"}
SHARE = 0.8 / (0.8 + 0.79 + 0.78)


def shown(request: ChatRequest) -> dict[str, str]:
    """Read the answers in a prompt by their letters."""
    return {
        letter: json.loads(text)
        for letter, text in re.findall(r"^Answer ([A-H]): (.*)$", request.messages[-1].text, re.MULTILINE)
    }


def prefers(*texts: str, after_s: float = 0.0) -> Callable[[Lab], Behaviour]:
    """Judge by what is said and not by where it stands: the first of `texts` that is there."""

    def make(lab: Lab) -> Behaviour:
        async def judge(request: ChatRequest, on_text: Any) -> ChatReply:
            best = min(shown(request).items(), key=lambda item: texts.index(item[1]))
            return await lab.says(best[0], after_s=after_s)(request, on_text)

        return judge

    return make


def says(text: str, **details: Any) -> Callable[[Lab], Behaviour]:
    return lambda lab: lab.says(text, **details)


def fails(reason: str, **details: Any) -> Callable[[Lab], Behaviour]:
    return lambda lab: lab.fails(reason, **details)


def hangs(lab: Lab) -> Behaviour:
    return lab.hangs()


#: Rome, then Paris, then Oslo.
FAIR = prefers("Rome", "Paris", "Oslo", "Bern", "Riga", "Kyiv", "Baku", "Lima")


@dataclass(frozen=True)
class Row:
    """What each model does, and what comes of it. `a` says Paris, `b` Rome, `c` Oslo; `j` judges, `x` and `y` write."""

    name: str
    faults: dict[str, Callable[[Lab], Behaviour]] = field(default_factory=dict)
    asked: str = "abcjjjjjjx"
    degraded: tuple[tuple[str, str, str], ...] = ()
    text: str = "Rome, of course."
    aggregator: str | None = "x"
    agreement: float | None = SHARE
    source: str = "judge"


def all_of(reason: str, count: int = 6) -> tuple[tuple[str, str, str], ...]:
    return (("judge", reason, "j"),) * count


ROWS = [
    Row("all good"),
    Row("the judge looks at the place alone", {"j": says("A")}),
    Row("the judge finds all alike", {"j": says("TIE")}),
    Row("the judge refuses", {"j": fails("rejected")}, degraded=all_of("rejected"), source="agreement"),
    Row("the judge hangs", {"j": hangs}, degraded=all_of("timeout"), source="agreement"),
    Row("the judge babbles", {"j": says("Both have merits.")}, degraded=all_of("bad_response"), source="agreement"),
    Row("the judge names a third answer", {"j": says("C")}, degraded=all_of("bad_response"), source="agreement"),
    Row("the judge says nothing", {"j": says(" ")}, degraded=all_of("empty_answer"), source="agreement"),
    Row("a candidate refuses", {"c": fails("rejected")}, "abcjjx", (("propose", "rejected", "c"),),
        agreement=0.8 / 1.59),
    Row("a candidate hangs", {"a": hangs}, "abcjjx", (("propose", "straggler", "a"),), agreement=0.79 / 1.57),
    Row("one candidate is left", {"a": fails("rejected"), "c": says("")}, "abc",
        (("propose", "rejected", "a"), ("propose", "empty_answer", "c")), "Rome", None, None, "prior"),
    Row("no candidate is left", dict.fromkeys("abc", fails("rejected")), "abcz",
        (*((("propose", "rejected", name)) for name in "abc"), ("propose", "all_failed", "")), "Vaduz", None, None,
        "prior"),
    Row("all say the same", dict.fromkeys("abc", says("42")), "abc", (), "42", None, 1.0, "agreement"),
    Row("two say the same", {"b": says("41"), "c": says("41"), "a": says("42"), "j": prefers("42", "41")}, "abcjjx",
        agreement=1.57 / 2.37),
    Row("a writer refuses", {"x": fails("rejected")}, "abcjjjjjjxy", (("fuse", "rejected", "x"),), aggregator="y"),
    Row("no writer writes", {"x": fails("rejected"), "y": hangs}, "abcjjjjjjxy",
        (("fuse", "rejected", "x"), ("fuse", "timeout", "y")), "Rome", None),
    Row("nobody judges, nobody writes", {"j": fails("rejected"), "x": fails("rejected"), "y": says("")}, "abcjjjjjjxy",
        (*all_of("rejected"), ("fuse", "rejected", "x"), ("fuse", "empty_answer", "y")), "Paris", None, SHARE,
        "agreement"),
]  # fmt: skip


def play(
    lab: Lab,
    faults: dict[str, Callable[[Lab], Behaviour]],
    proposers: str = "abc",
    judges: str = "j",
    **changes: Any,
) -> tuple[World, Run]:
    script = {name: [lab.says(text)] for name, text in TEXTS.items()}
    script |= {"j": [FAIR(lab)], "k": [FAIR(lab)], "z": [lab.says("Vaduz")]}
    script |= {name: [lab.says(WROTE)] for name in "xy"}
    script |= {name: [fault(lab)] for name, fault in faults.items()}
    world = lab.world(script)
    plan = lab.plan(proposers, "xy", "z", "rank_fuse", judges, **changes)
    return world, world.run(lab.task(plan))


def degraded(run: Run) -> tuple[tuple[str, str, str], ...]:
    return tuple((item.stage, item.reason, item.model) for item in run.degradations)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_fault_has_its_outcome(lab: Lab, row: Row) -> None:
    world, run = play(lab, row.faults)
    answer: Answer = world.do(rank_fuse(run))
    assert "".join(sorted(world.asked)) == "".join(sorted(row.asked))
    assert degraded(run) == row.degraded
    assert answer.text == row.text
    assert answer.aggregator == row.aggregator
    assert answer.agreement == (None if row.agreement is None else pytest.approx(row.agreement, abs=0.01))
    assert answer.confidence.source == row.source
    assert 0 <= answer.confidence.value <= 1
    assert world.provider.running == 0
    assert all(stage.status != "running" for stage in run.stages)


@pytest.mark.parametrize(("k", "calls"), [(2, 5), (3, 10), (4, 11), (5, 12), (6, 13), (7, 14), (8, 15)])
def test_of_many_candidates_as_many_are_compared_as_calls_are_left_for(lab: Lab, k: int, calls: int) -> None:
    world, run = play(lab, {}, "abcdefgh"[:k])
    answer = world.do(rank_fuse(run))
    assert len(world.asked) == calls
    assert answer.aggregator == "x"
    assert not run.degradations


def test_when_every_call_is_made_twice_there_are_still_no_more_than_sixteen(lab: Lab) -> None:
    world = lab.world(
        {name: [lab.fails(transient=True), lab.says(TEXTS[name])] for name in "abcdefgh"}
        | {"j": [FAIR(lab)], "x": [lab.says(WROTE)]}
    )
    run = world.run(lab.task(lab.plan("abcdefgh", "xy", "z", "rank_fuse", "j")))
    answer = world.do(rank_fuse(run))
    assert len(world.asked) == 16
    assert answer.text == "Paris"
    assert ("judge", "call_limit", "") in degraded(run)
    assert ("fuse", "call_limit", "x") in degraded(run)


def test_with_two_calls_left_the_writer_gets_one_and_nobody_judges_in_one_order_alone(lab: Lab) -> None:
    world = lab.world(
        {name: [lab.fails(transient=True), lab.says(TEXTS[name])] for name in "abcdefg"}
        | {"j": [FAIR(lab)], "x": [lab.says(WROTE)]}
    )
    run = world.run(lab.task(lab.plan("abcdefg", "xy", "z", "rank_fuse", "j")))
    answer = world.do(rank_fuse(run))
    assert world.asked[14:] == ["x"]
    assert degraded(run) == (("judge", "call_limit", ""),)
    assert (answer.aggregator, answer.confidence.source) == ("x", "agreement")


ESSAYS = [
    (
        "Markets reward patience because prices swing around value, and whoever sells in panic hands gains to "
        "those who waited: long horizons favour calm owners of broad funds over nervous traders."
    ),
    (
        "Bake sourdough at high heat with steam during twenty minutes, then vent your oven; flour strength, hydration, "
        "fermentation time and a ripe starter decide whether crumb opens or collapses overnight."
    ),
    (
        "Whales breathe air yet dive kilometres deep; their muscles store oxygen, hearts slow down, lungs fold under "
        "pressure, and blood leaves limbs, which lets them hunt squid in darkness."
    ),
]


def test_texts_that_differ_are_all_compared(lab: Lab) -> None:
    faults = {name: says(essay) for name, essay in zip("abc", ESSAYS, strict=True)}
    faults |= {"j": prefers(*reversed(ESSAYS))} | dict.fromkeys("xy", fails("rejected"))
    world, run = play(lab, faults)
    answer = world.do(rank_fuse(run))
    assert answer.text == ESSAYS[2]
    assert answer.confidence.parts.judge == 1.0


def test_candidates_are_asked_at_once_then_judges_then_the_writer(lab: Lab) -> None:
    faults = {name: says(TEXTS[name], after_s=1.0) for name in "abc"}
    faults |= {"j": prefers("Rome", "Paris", "Oslo", after_s=2.0), "x": says(WROTE, after_s=4.0)}
    world, run = play(lab, faults)
    world.do(rank_fuse(run))
    assert run.elapsed_ms() == pytest.approx(7_000)
    assert [stage.start_ms for stage in run.stages] == pytest.approx([0] * 3 + [1_000] * 6 + [3_000])


@pytest.mark.parametrize(("slow", "seconds"), [("abc", 30.0), ("j", 30.0), ("abcj", 30.0)])
def test_who_hangs_leaves_time_for_those_who_come_after(lab: Lab, slow: str, seconds: float) -> None:
    world, run = play(lab, dict.fromkeys(slow, hangs))
    world.do(rank_fuse(run))
    assert run.elapsed_ms() == pytest.approx(seconds * 1e3)


def test_a_budget_takes_a_judge_away_and_not_the_answer(lab: Lab) -> None:
    world, _ = play(lab, {})
    run = world.run(lab.task(lab.plan("ab", "xy", "z", "rank_fuse", "j")), max_cost=2_700)
    answer = world.do(rank_fuse(run))
    assert world.asked == ["a", "b", "j", "x"]
    assert degraded(run) == (("judge", "budget", "j"),)
    assert answer.text == "Rome, of course."
    assert run._ledger.spent <= 2_700


def test_every_call_is_paid_for(lab: Lab) -> None:
    world, run = play(lab, {})
    world.do(rank_fuse(run))
    assert [stage.cost for stage in run.stages] == [20 * 2 + 5 * 10] * 10
    assert run._ledger.spent == 900


def test_the_answer_is_said_as_it_is_written_and_nothing_else_is(lab: Lab) -> None:
    world, run = play(lab, {})
    world.watcher.listens = True
    answer = world.do(rank_fuse(run))
    assert "".join(world.watcher.pieces) == answer.text
    assert len(world.watcher.pieces) > 1


def test_the_first_words_do_not_wait_for_a_candidate_that_hangs(lab: Lab) -> None:
    world, run = play(lab, {"c": hangs})
    world.watcher.listens = True
    world.do(rank_fuse(run))
    assert run.elapsed_ms() == pytest.approx(1_000), "the grace, and not the candidate's time"
    assert world.watcher.pieces


CUT = CallError("unavailable", "cut", worked=True)


def test_a_writer_that_breaks_off_is_followed_by_nobody(lab: Lab) -> None:
    world, run = play(lab, {"x": lambda lab: lab.writes("FINAL ANSWER:\nRo", every_s=0.1, then=CUT)})
    world.watcher.listens = True
    with pytest.raises(BrokenOffError):
        world.do(rank_fuse(run))
    assert "y" not in world.asked


def test_without_candidates_and_stand_ins_there_is_no_answer(lab: Lab) -> None:
    world, run = play(lab, dict.fromkeys("abcz", fails("rejected")))
    with pytest.raises(AllFailedError, match=r"^4 rejected$"):
        world.do(rank_fuse(run))
    assert "j" not in world.asked
