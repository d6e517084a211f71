"""self_consistency, sample by sample: how many are drawn, when, what is told and answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from executor.reply import AllFailedError
from executor.stages import total
from executor.strategies.self_consistency import self_consistency

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from executor.conftest import Behaviour, Lab, World
    from executor.run import Run
    from executor.strategies.answer import Answer

Fault: TypeAlias = "str | Callable[[Lab], Behaviour]"
WORST = 19 * 2 + 100 * 10


@dataclass(frozen=True)
class Row:
    """What the samples say, in the order in which they are drawn, and what comes of it."""

    name: str
    samples: Sequence[Fault]
    k: int
    #: Calls in order; `a` is sampled, `f` the stand-in, which says 43.
    asked: str
    degraded: tuple[tuple[str, str, str], ...] = ()
    text: str = "42"
    agreement: float | None = 1.0
    source: str = "agreement"


def says(text: str, *counts: Any, **details: Any) -> Callable[[Lab], Behaviour]:
    return lambda lab: lab.says(text, *counts, **details)


def fails(reason: str, **details: Any) -> Callable[[Lab], Behaviour]:
    return lambda lab: lab.fails(reason, **details)


def hangs(lab: Lab) -> Behaviour:
    return lab.hangs()


def lost(*reasons: str) -> tuple[tuple[str, str, str], ...]:
    return tuple(("sample", reason, "a") for reason in reasons)


GONE = (*lost("rejected", "rejected", "rejected"), ("sample", "all_failed", ""))
ROWS = [
    Row("all of one mind", ["42"], 8, "aaa"),
    Row("a narrow one of one mind", ["42"], 2, "aa"),
    Row("a single sample", ["42"], 1, "a", agreement=None, source="prior"),
    Row("one of three errs", ["42", "41", "42"], 3, "aaa", agreement=2 / 3),
    Row("a lead that can be caught up", ["42", "41", "42"], 4, "aaaa", agreement=3 / 4),
    Row("a lead that can't be lost", ["42", "41", "42", "42", "42", "42"], 8, "a" * 6, agreement=5 / 6),
    Row("a lead of as many as are left", ["42", "41", "41", "42", "42", "42"], 8, "a" * 8, agreement=6 / 8),
    Row("the lead changes", ["41", "41", "42", "42", "42", "42"], 7, "a" * 6, agreement=4 / 6),
    Row("no two agree", [str(number) for number in range(42, 50)], 8, "a" * 8, agreement=1 / 8),
    Row("one refuses", [fails("rejected"), "42"], 3, "aaa", lost("rejected")),
    Row("one refuses of a wide one", [fails("rejected"), "42"], 8, "a" * 6, lost("rejected")),
    Row("one breaks off", ["42", fails("bad_response", worked=True), "42"], 3, "aaa", lost("bad_response")),
    Row("one says nothing", ["42", says(" \n"), "42"], 3, "aaa", lost("empty_answer")),
    Row("one is no text", ["42", says("\ud800"), "42"], 3, "aaa", lost("bad_response")),
    Row("one hangs", ["42", hangs, "42"], 3, "aaa", lost("straggler")),
    Row("one is tried again", [fails("unavailable", transient=True), "42"], 3, "aaaa"),
    Row("one waits as it is told to", [fails("rate_limited", transient=True, retry_after_s=0.5), "42"], 3, "aaaa"),
    Row(
        "one is told to wait too long",
        [fails("rate_limited", transient=True, retry_after_s=9.0), "42"],
        3,
        "aaa",
        lost("rate_limited"),
    ),
    Row("one counts absurdly", ["42", says("42", -(10**9), 10**30), "42"], 3, "aaa"),
    Row("one speaks of something else", ["42", says("東京です"), "42"], 3, "aaa", agreement=2 / 3),
    Row(
        "one survives",
        [fails("rejected"), fails("rejected"), "42"],
        3,
        "aaa",
        lost("rejected", "rejected"),
        agreement=None,
        source="prior",
    ),
    Row("all fail", [fails("rejected")], 3, "aaaf", GONE, "43", None, "prior"),
    Row("a whole wave fails of several", [fails("rejected")], 8, "aaaf", GONE, "43", None, "prior"),
    Row(
        "the wave after the first fails",
        ["42", "41", "42", fails("rejected")],
        5,
        "a" * 5,
        lost("rejected", "rejected"),
        agreement=2 / 3,
    ),
]


def play(
    lab: Lab, samples: Sequence[Fault], k: int, *, max_cost: int | None = None, fallbacks: str = "f"
) -> tuple[World, Run]:
    script = [lab.says(fault) if isinstance(fault, str) else fault(lab) for fault in samples]
    world = lab.world({"a": script, "f": [lab.says("43", after_s=5.0)]})
    plan = lab.plan("a" * k, "", fallbacks, "self_consistency")
    return world, world.run(lab.task(plan, temperature=1.1), max_cost=max_cost)


def told(run: Run) -> tuple[tuple[str, str, str], ...]:
    return tuple((item.stage, item.reason, item.model) for item in run.degradations)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_vote_has_its_outcome(lab: Lab, row: Row) -> None:
    world, run = play(lab, row.samples, row.k)
    answer: Answer = world.do(self_consistency(run))
    assert "".join(world.asked) == row.asked
    assert told(run) == row.degraded
    assert answer.text == row.text
    assert answer.aggregator is None
    assert answer.agreement == (None if row.agreement is None else pytest.approx(row.agreement))
    assert answer.confidence.source == row.source
    expected = 0.8 if row.agreement is None else (0.8 + row.agreement) / 2
    assert answer.confidence.value == pytest.approx(0.75 if "f" in row.asked else expected)
    assert world.provider.running == 0


def test_every_sample_is_asked_the_same_at_the_request_s_temperature(lab: Lab) -> None:
    world, run = play(lab, ["42", "41", "42", "41"], 5)
    world.do(self_consistency(run))
    assert len({request.messages for request in world.provider.asked}) == 1
    assert {request.temperature for request in world.provider.asked} == {1.1}
    assert {(stage.name, stage.depends_on) for stage in run.stages} == {("sample", ())}


def test_samples_of_a_wave_are_drawn_at_once_and_waves_one_after_another(lab: Lab) -> None:
    seconds = [1.0, 2.0, 3.0, 2.0, 1.5, 0.5, 1.0, 1.0]
    texts = ["42", "41", "42", "41", "42", "41", "42", "41"]
    samples = [says(text, after_s=after_s) for text, after_s in zip(texts, seconds, strict=True)]
    world, run = play(lab, samples, 8)
    world.do(self_consistency(run))
    assert [stage.start_ms for stage in run.stages] == pytest.approx([0] * 3 + [3000] * 3 + [5000] * 2)
    assert run.elapsed_ms() == total(run.stages).models_ms == pytest.approx(6000)


def test_who_dissents_is_noted(lab: Lab) -> None:
    world, run = play(lab, ["42", "41", "42"], 3)
    world.do(self_consistency(run))
    assert [bool(stage.note) for stage in run.stages] == [False, True, False]


def test_a_whole_sample_goes_before_a_cut_one_that_says_the_same(lab: Lab) -> None:
    world, run = play(lab, [says("42", finish="length"), "42", "41"], 3)
    answer = world.do(self_consistency(run))
    assert (answer.text, answer.finish_reason) == ("42", "stop")


def test_samples_that_hang_leave_time_for_a_stand_in(lab: Lab) -> None:
    world, run = play(lab, [hangs], 8)
    assert world.do(self_consistency(run)).text == "43"
    assert "".join(world.asked) == "aaaf"
    assert run.elapsed_ms() == pytest.approx(41_000)


@pytest.mark.parametrize("fallbacks", ["", "f"])
def test_samples_that_hang_leave_time_for_the_next_wave(lab: Lab, fallbacks: str) -> None:
    world, run = play(lab, [hangs, hangs, "42", says("42", after_s=2.0)], 6, fallbacks=fallbacks)
    answer = world.do(self_consistency(run))
    assert (answer.text, answer.agreement) == ("42", 1.0)
    assert told(run) == lost("timeout", "timeout")
    assert run.elapsed_ms() == pytest.approx(38_000)


def test_a_single_wave_may_take_all_the_time_when_nobody_could_step_in(lab: Lab) -> None:
    world, run = play(lab, [says("42", after_s=59.0)], 3, fallbacks="")
    assert world.do(self_consistency(run)).text == "42"
    assert run.elapsed_ms() == pytest.approx(59_000)


def test_the_last_wave_may_take_all_the_time_when_there_is_a_sample_already(lab: Lab) -> None:
    world, run = play(lab, ["42", "41", "43", says("42", after_s=59.0)], 5)
    assert world.do(self_consistency(run)).agreement == pytest.approx(3 / 5)


@pytest.mark.parametrize(("max_cost", "drawn"), [(1, 1), (WORST, 1), (2 * WORST, 2), (3 * WORST, 3)])
def test_a_budget_narrows_the_vote_and_never_errs(lab: Lab, max_cost: int, drawn: int) -> None:
    world, run = play(lab, ["42"], 3, max_cost=max_cost)
    assert world.do(self_consistency(run)).text == "42"
    assert len(world.asked) == drawn
    assert told(run) == lost(*["budget"] * (3 - drawn))
    assert total(run.stages).cost == drawn * 90


def test_only_samples_that_went_on_are_said_to_have_gone_on(lab: Lab) -> None:
    world, run = play(lab, [fails("rejected")], 3)
    world.do(self_consistency(run))
    assert [item.action for item in run.degradations] == ["asked a stand-in"] * 3 + ["f answered alone"]


def test_a_model_whose_breaker_is_open_is_asked_when_nobody_else_is_left(lab: Lab) -> None:
    world, run = play(lab, ["42"], 3, fallbacks="")
    world.break_open("a")
    assert world.do(self_consistency(run)).text == "42"
    assert "".join(world.asked) == "a"
    assert told(run) == (*lost(*["circuit_open"] * 3), ("sample", "all_failed", ""))


def test_when_everything_fails_all_failures_are_counted(lab: Lab) -> None:
    world, run = play(lab, [fails("rejected")], 8, fallbacks="")
    with pytest.raises(AllFailedError, match=r"^3 rejected$"):
        world.do(self_consistency(run))


def test_second_tries_count_against_the_call_cap(lab: Lab) -> None:
    texts = [str(number) for number in range(42, 58)]
    world, run = play(lab, [fails("unavailable", transient=True), *texts], 16)
    world.do(self_consistency(run))
    assert len(world.asked) == 16
    assert told(run) == lost("call_limit")


def test_samples_of_several_models_weigh_by_their_quality(lab: Lab) -> None:
    world = lab.world({"a": [lab.says("41")], "b": [lab.says("42")], "c": [lab.says("42")]})
    run = world.run(lab.task(lab.plan("abc", strategy="self_consistency")))
    answer = world.do(self_consistency(run))
    assert answer.text == "42"
    assert answer.agreement == pytest.approx((0.79 + 0.78) / (0.8 + 0.79 + 0.78))
