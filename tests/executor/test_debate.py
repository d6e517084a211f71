"""debate, round by round: who argues, who keeps or changes its answer, when it ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from executor.reply import AllFailedError
from executor.stages import total
from executor.strategies.debate import debate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from executor.conftest import Behaviour, Lab, World
    from executor.run import Run
    from executor.strategies.answer import Answer

Fault: TypeAlias = "str | Callable[[Lab], Behaviour]"
KEEP = "DECISION: KEEP\nREASON: It holds.\nFINAL ANSWER:\nNever mind."
ALL = 0.8 + 0.79 + 0.78
#: What a first answer may cost at most.
WORST = 19 * 2 + 100 * 10


def change(text: str, reason: str = "It was wrong.") -> str:
    return f"DECISION: CHANGE\nREASON: {reason}\nFINAL ANSWER:\n{text}"


def says(text: str, *counts: Any, **details: Any) -> Callable[[Lab], Behaviour]:
    return lambda lab: lab.says(text, *counts, **details)


def fails(reason: str, **details: Any) -> Callable[[Lab], Behaviour]:
    return lambda lab: lab.fails(reason, **details)


def hangs(lab: Lab) -> Behaviour:
    return lab.hangs()


@dataclass(frozen=True)
class Row:
    """What each agent does, call by call, and what comes of it. `c` says Rome and the others Paris, and all keep it."""

    name: str
    faults: Mapping[str, Sequence[Fault]] = field(default_factory=dict)
    #: Round by round; in any order within one.
    asked: str = "abc abc"
    degraded: tuple[tuple[str, str, str], ...] = ()
    text: str = "Paris"
    agreement: float | None = 1.59 / ALL
    source: str = "agreement"


def in_round(reason: str, model: str = "a") -> tuple[tuple[str, str, str], ...]:
    return (("debate", reason, model),)


ROWS = [
    Row("they agree", {"c": ["Paris"]}, "abc", agreement=1.0),
    Row("nobody moves"),
    Row("one is convinced", {"c": ["Rome", change("Paris")]}, agreement=1.0),
    Row("the majority is convinced", {name: ["Paris", change("Rome")] for name in "ab"}, text="Rome", agreement=1.0),
    Row("one changes without a reason", {"c": ["Rome", change("Paris", "")]}),
    Row("one changes to nothing", {"c": ["Rome", change("")]}),
    Row("one only chats", {"c": ["Rome", "The others are right: Paris."]}),
    Row("one echoes the form", {"c": ["Rome", "DECISION: KEEP or CHANGE\nREASON: x\nFINAL ANSWER:\nParis"]}),
    Row("one changes to the same", {"c": ["Rome", change("Rome"), change("Paris")]}),
    Row("one needs two rounds", {"c": ["Rome", change("Oslo"), change("Paris")]}, "abc abc abc", agreement=1.0),
    Row("one never stays", {"c": ["Rome", change("Oslo"), change("Bern"), change("Paris")]}, "abc abc abc"),
    Row("one refuses to argue", {"a": ["Paris", fails("rejected")]}, degraded=in_round("rejected")),
    Row("one argues nothing", {"a": ["Paris", says(" \n")]}, degraded=in_round("empty_answer")),
    Row("one argues no text", {"a": ["Paris", says("\ud800")]}, degraded=in_round("bad_response")),
    Row("one breaks off", {"a": ["Paris", fails("too_large", worked=True)]}, degraded=in_round("too_large")),
    Row("one hangs in a round", {"a": ["Paris", hangs]}, degraded=in_round("straggler")),
    Row(
        "one fails twice in a round",
        {"a": ["Paris", fails("unavailable", transient=True)]},
        "abc aabc",
        in_round("unavailable"),
    ),
    Row(
        "one is told to wait too long",
        {"a": ["Paris", fails("rate_limited", transient=True, retry_after_s=30.0)]},
        degraded=in_round("rate_limited"),
    ),
    Row("one counts absurdly", {"a": [says("Paris", 10**12, -5), KEEP]}),
    Row("one is cut before its decision", {"c": ["Rome", says("DECISION: CHA", finish="length")]}),
    Row("one speaks of something else", {"c": ["東京です", KEEP]}),
    Row(
        "all fail in a round",
        {name: [first, fails("rejected")] for name, first in zip("abc", ["Paris", "Paris", "Rome"], strict=True)},
        degraded=(*in_round("rejected"), *in_round("rejected", "b"), *in_round("rejected", "c")),
    ),
    Row(
        "one fails and one is convinced",
        {"a": ["Paris", fails("rejected"), KEEP], "c": ["Rome", change("Paris")]},
        degraded=in_round("rejected"),
        agreement=1.0,
    ),
    Row(
        "one has no first answer",
        {"b": [fails("rejected")], "c": ["Rome", change("Paris")]},
        "abc ac",
        (("propose", "rejected", "b"),),
        agreement=1.0,
    ),
    Row(
        "one survives",
        {"a": [fails("rejected")], "c": [says("")]},
        "abc",
        (("propose", "rejected", "a"), ("propose", "empty_answer", "c")),
        agreement=None,
        source="prior",
    ),
    Row(
        "all fail",
        {"a": [fails("rejected")], "b": [hangs], "c": [says("")]},
        "abc f",
        (
            ("propose", "rejected", "a"),
            ("propose", "timeout", "b"),
            ("propose", "empty_answer", "c"),
            ("propose", "all_failed", ""),
        ),
        agreement=None,
        source="prior",
    ),
]


def behaviours(lab: Lab, faults: Sequence[Fault]) -> list[Behaviour]:
    return [lab.says(fault) if isinstance(fault, str) else fault(lab) for fault in faults]


def play(
    lab: Lab, faults: Mapping[str, Sequence[Fault]], agents: str = "abc", *, seed: int = 0, max_cost: int | None = None
) -> tuple[World, Run]:
    script: dict[str, Sequence[Fault]] = {
        "a": ["Paris", KEEP],
        "b": ["Paris", KEEP],
        "c": ["Rome", KEEP],
        "f": ["Paris"],
    }
    world = lab.world({name: behaviours(lab, does) for name, does in {**script, **faults}.items()}, seed)
    return world, world.run(lab.task(lab.plan(agents, "", "f", "debate")), max_cost=max_cost)


def told(run: Run) -> tuple[tuple[str, str, str], ...]:
    return tuple((item.stage, item.reason, item.model) for item in run.degradations)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_fault_has_its_outcome(lab: Lab, row: Row) -> None:
    world, run = play(lab, row.faults)
    answer: Answer = world.do(debate(run))
    rounds = row.asked.split()
    calls = iter(world.asked)
    assert ["".join(sorted(next(calls) for _ in asked)) for asked in rounds] == rounds
    assert next(calls, None) is None
    assert told(run) == row.degraded
    assert answer.text == row.text
    assert answer.aggregator is None
    assert answer.agreement == (None if row.agreement is None else pytest.approx(row.agreement))
    assert answer.confidence.source == row.source
    assert 0 <= answer.confidence.value <= 1
    assert world.provider.running == 0


def test_each_agent_sees_its_own_answer_and_the_others_and_keeps_the_conversation(lab: Lab) -> None:
    world, run = play(lab, {"a": ["Paris", KEEP], "b": ["Rome", change("Bern"), KEEP], "c": ["Oslo", KEEP]})
    world.do(debate(run))
    for request in world.provider.asked[3:6]:
        own = {"a": "Paris", "b": "Rome", "c": "Oslo"}[request.model]
        asked = request.messages[-1].text
        assert request.messages[:-1] == lab.question
        assert f'like this: "{own}"' in asked
        assert {f'"{text}"' in asked.split("They are data")[1] for text in {"Paris", "Rome", "Oslo"} - {own}} == {True}
        assert f': "{own}"' not in asked.split("They are data")[1]
    second = {request.model: request.messages[-1].text for request in world.provider.asked[6:9]}
    assert 'like this: "Bern"' in second["b"]
    assert '"Bern"' in second["a"]
    assert '"Rome"' not in second["a"] + second["c"]


def test_the_order_in_which_others_answers_are_shown_says_nothing(lab: Lab) -> None:
    orders = set()
    for seed in range(10):
        world, run = play(lab, {"b": ["Rome", KEEP], "c": ["Oslo", KEEP]}, seed=seed)
        world.do(debate(run))
        asked = next(request for request in world.provider.asked[3:] if request.model == "a").messages[-1].text
        orders.add(asked.index('"Rome"') < asked.index('"Oslo"'))
    assert orders == {True, False}


def test_rounds_run_one_after_another_and_the_agents_of_one_at_once(lab: Lab) -> None:
    first = {"a": says("Paris", after_s=1.0), "b": says("Paris", after_s=3.0), "c": says("Rome", after_s=2.0)}
    second = {"a": says(KEEP, after_s=1.0), "b": says(KEEP, after_s=0.5), "c": says(change("Paris"), after_s=2.0)}
    world, run = play(lab, {name: [first[name], second[name]] for name in "abc"})
    world.do(debate(run))
    assert [stage.start_ms for stage in run.stages] == pytest.approx([0] * 3 + [3000] * 3)
    assert run.elapsed_ms() == total(run.stages).models_ms == pytest.approx(5000)


def test_an_argument_depends_on_the_answers_that_it_read(lab: Lab) -> None:
    world, run = play(lab, {"a": ["Paris", change("Bern"), KEEP]})
    world.do(debate(run))
    assert [(stage.name, stage.depends_on) for stage in run.stages] == (
        [("propose", ())] * 3 + [("debate", (0, 1, 2))] * 3 + [("debate", (1, 2, 3))] * 3
    )


def test_what_became_of_an_answer_is_noted(lab: Lab) -> None:
    world, run = play(lab, {"c": ["Rome", change("Oslo"), KEEP]})
    world.do(debate(run))
    notes = [stage.note for stage in run.stages]
    assert [note.startswith("kept") for note in notes[3:]] == [True, True, False, True, True, True]
    assert notes[5] == "changed its answer; dissents from the largest group of answers"


def test_a_change_that_the_limit_cut_is_told_by_its_finish_reason(lab: Lab) -> None:
    cut = says(change("Rom"), finish="length")
    world, run = play(lab, {"a": ["Paris", cut], "b": ["Oslo", cut], "c": ["Bern", cut]})
    answer = world.do(debate(run))
    assert (answer.text, answer.finish_reason) == ("Rom", "length")


def test_a_whole_answer_goes_before_a_cut_one_that_says_the_same(lab: Lab) -> None:
    world, run = play(lab, {"a": [says("Paris", finish="length"), KEEP]})
    answer = world.do(debate(run))
    assert (answer.text, answer.finish_reason, answer.confidence.parts.prior) == ("Paris", "stop", 0.79)


def test_rounds_leave_time_for_what_comes_after_them(lab: Lab) -> None:
    world, run = play(lab, {name: [hangs] for name in "abc"})
    assert world.do(debate(run)).text == "Paris"
    assert run.elapsed_ms() == pytest.approx(24_000)
    world, run = play(lab, {"a": ["Paris", hangs], "b": ["Paris", hangs], "c": ["Rome", hangs]})
    assert world.do(debate(run)).text == "Paris"
    assert run.elapsed_ms() == pytest.approx(24_000)
    assert told(run) == (*in_round("timeout"), *in_round("timeout", "b"), *in_round("timeout", "c"))


def test_a_budget_ends_the_argument_and_never_errs(lab: Lab) -> None:
    world, run = play(lab, {}, max_cost=3 * WORST)
    answer = world.do(debate(run))
    assert answer.text == "Paris"
    assert answer.agreement == pytest.approx(1.59 / ALL)
    assert {reason for _, reason, _ in told(run)} <= {"budget"}
    assert total(run.stages).cost <= 3 * WORST
    world, run = play(lab, {}, max_cost=1)
    assert world.do(debate(run)).text == "Paris"
    assert world.asked == ["a"]
    assert told(run) == (("propose", "budget", "b"), ("propose", "budget", "c"))


def test_one_agent_argues_with_nobody(lab: Lab) -> None:
    world, run = play(lab, {}, "a")
    answer = world.do(debate(run))
    assert (answer.text, answer.agreement, answer.confidence.source) == ("Paris", None, "prior")
    assert (world.asked, run.degradations) == (["a"], [])


def test_one_model_may_be_sampled_several_times(lab: Lab) -> None:
    world, run = play(lab, {"a": ["Paris", "Rome", "Paris", KEEP, change("Paris"), KEEP]}, "aaa")
    answer = world.do(debate(run))
    assert (answer.text, answer.agreement) == ("Paris", 1.0)
    assert world.asked == ["a"] * 6


def test_when_everything_fails_all_failures_are_counted(lab: Lab) -> None:
    world, run = play(lab, {**{name: [fails("rejected")] for name in "abc"}, "f": [fails("unavailable")]})
    with pytest.raises(AllFailedError, match=r"^3 rejected, 1 unavailable$"):
        world.do(debate(run))
