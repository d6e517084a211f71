"""How rank_fuse compares: who judges whom, in which orders, and what a win is."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from executor.strategies.rank_fuse import rank_fuse

if TYPE_CHECKING:
    from executor.chat import ChatReply, ChatRequest
    from executor.conftest import Behaviour, Lab, World
    from executor.plan import Model
    from executor.run import Run
    from executor.strategies.answer import Answer


def shown(request: ChatRequest) -> dict[str, str]:
    """Read the answers in a prompt by their letters."""
    return {
        letter: json.loads(text)
        for letter, text in re.findall(r"^Answer ([A-H]): (.*)$", request.messages[-1].text, re.MULTILINE)
    }


WROTE = "They differ.\nFINAL ANSWER:\nRome, of course."
TEXTS = {"a": "Paris", "b": "Rome", "c": "Oslo"}
#: Rome, then Paris, then Oslo.
FAIR = ("B", "A", "A", "B", "A", "B")


def play(lab: Lab, verdict: Behaviour, proposers: str = "abc", judges: str = "j") -> tuple[World, Run]:
    """`j` judges what `a`, `b` and `c` say, and `x` writes."""
    script = {name: [lab.says(text)] for name, text in TEXTS.items()}
    world = lab.world(script | {"j": [verdict], "k": [verdict], "x": [lab.says(WROTE)]})
    return world, world.run(lab.task(lab.plan(proposers, "x", "", "rank_fuse", judges)))


def verdicts(lab: Lab, *texts: str) -> Behaviour:
    """Give one verdict after another, in the order of the calls."""
    left = list(texts)

    async def judge(request: ChatRequest, on_text: Any) -> ChatReply:
        return await lab.says(left.pop(0))(request, on_text)

    return judge


def winner(lab: Lab, verdict: Behaviour, proposers: str = "abc") -> Answer:
    """Return the best candidate: nobody writes."""
    world, run = play(lab, verdict, proposers)
    run = world.run(lab.task(replace(run.task.plan, synthesizers=())))
    return world.do(rank_fuse(run))


def judges_of(run: Run) -> list[tuple[str, frozenset[str]]]:
    """Return who judged whom."""
    return [
        (stage.model.id, frozenset(run.stages[author].model.id for author in stage.depends_on))
        for stage in run.stages
        if stage.name == "judge"
    ]


def test_each_pair_is_judged_in_both_orders_coldly(lab: Lab) -> None:
    world, run = play(lab, verdicts(lab, *FAIR))
    world.do(rank_fuse(run))
    judged = [request for request in world.provider.asked if request.model == "j"]
    assert [tuple(shown(request).values()) for request in judged] == [
        ("Paris", "Rome"), ("Rome", "Paris"), ("Paris", "Oslo"), ("Oslo", "Paris"), ("Rome", "Oslo"), ("Oslo", "Rome"),
    ]  # fmt: skip
    assert {request.temperature for request in judged} == {0.0}
    assert [stage.depends_on for stage in run.stages if stage.name == "judge"] == [
        (0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("forth", "back", "best", "won"),
    [
        ("A", "B", "Paris", 1.0),
        ("B", "A", "Rome", 1.0),
        ("A", "A", "Paris", 0.5),
        ("B", "B", "Paris", 0.5),
        ("TIE", "TIE", "Paris", 0.5),
        ("B", "TIE", "Paris", 0.5),
        ("TIE", "A", "Paris", 0.5),
        ("B", "well", "Paris", None),
        ("well", "A", "Paris", None),
    ],
)
def test_a_win_counts_only_when_both_orders_agree(
    lab: Lab, forth: str, back: str, best: str, won: float | None
) -> None:
    answer = winner(lab, verdicts(lab, forth, back), "ab")
    assert answer.text == best
    assert answer.confidence.parts.judge == won


@pytest.mark.parametrize(
    ("order", "best", "won"),
    [
        (("A", "B", "A", "B", "A", "B"), "Paris", 1.0),
        (("B", "A", "B", "A", "A", "B"), "Rome", 1.0),
        (("B", "A", "B", "A", "B", "A"), "Oslo", 1.0),
        (("A", "B", "B", "A", "A", "B"), "Paris", 0.5),
        (("A", "A", "B", "A", "A", "A"), "Oslo", 0.75),
        (("A", "A", "A", "A", "A", "A"), "Paris", 0.5),
    ],
    ids=["first", "second", "third", "a circle", "a win and a tie", "all ties"],
)
def test_who_wins_most_comparisons_is_best_and_ties_count_half(
    lab: Lab, order: tuple[str, ...], best: str, won: float
) -> None:
    answer = winner(lab, verdicts(lab, *order))
    assert answer.text == best
    assert answer.confidence.parts.judge == won


def test_no_model_judges_its_own_answer(lab: Lab) -> None:
    script = {name: [lab.says(text), lab.says("A")] for name, text in TEXTS.items()}
    world = lab.world(script | {"x": [lab.says(WROTE)]})
    run = world.run(lab.task(lab.plan("abc", "x", "", "rank_fuse", "abc")))
    world.do(rank_fuse(run))
    pairs = [("c", "ab"), ("c", "ab"), ("b", "ac"), ("b", "ac"), ("a", "bc"), ("a", "bc")]
    assert judges_of(run) == [(judge, frozenset(pair)) for judge, pair in pairs]


@pytest.mark.parametrize(
    ("judges", "asked"),
    [
        ([("j", "j"), ("k", "k")], "j"),
        ([("j", "family-a"), ("k", "k")], "k"),
        ([("j", "family-b"), ("k", "k")], "k"),
        ([("j", "family-a"), ("k", "family-b")], "j"),
        ([("a", "family-a"), ("k", "family-b")], "k"),
    ],
    ids=["the better one", "not of the first's family", "not of the second's", "no other family", "never the author"],
)
def test_the_best_judge_of_another_family_judges(lab: Lab, judges: list[tuple[str, str]], asked: str) -> None:
    candidates = tuple(replace(model, family=f"family-{model.id}") for model in lab.models("ab"))
    able: tuple[Model, ...] = tuple(lab.model(name, family=family) for name, family in judges)
    world, run = play(lab, verdicts(lab, *FAIR))
    plan = replace(run.task.plan, proposers=candidates, judges=able)
    run = world.run(lab.task(plan))
    world.do(rank_fuse(run))
    assert judges_of(run) == [(asked, frozenset("ab"))] * 2
    assert not run.degradations


@pytest.mark.parametrize("judges", ["", "a", "ab"])
def test_without_an_impartial_judge_a_pair_counts_as_equal_and_that_is_told(lab: Lab, judges: str) -> None:
    world, run = play(lab, lab.says("A"), "ab", judges)
    answer = world.do(rank_fuse(run))
    assert world.asked == ["a", "b", "x"]
    assert [(item.stage, item.reason, item.model) for item in run.degradations] == [("judge", "no_judge", "")]
    assert answer.confidence.source == "agreement"


def test_the_judgement_of_others_says_nothing_about_a_winner_that_was_never_judged(lab: Lab) -> None:
    world = lab.world(
        {"a": [lab.says("Paris"), lab.says("TIE")], "b": [lab.says("Rome")], "c": [lab.says("Oslo")]}
        | {name: [lab.fails("rejected")] for name in "xy"}
    )
    run = world.run(lab.task(lab.plan("abc", "xy", "z", "rank_fuse", "a")))
    answer = world.do(rank_fuse(run))
    assert answer.text == "Paris"
    assert answer.confidence.parts.judge is None
    assert answer.confidence.source == "agreement"


def test_one_model_sampled_twice_is_judged_by_another(lab: Lab) -> None:
    world = lab.world({"a": [lab.says("Paris"), lab.says("Rome")], "j": [lab.says("TIE")], "x": [lab.says(WROTE)]})
    run = world.run(lab.task(lab.plan("aa", "xy", "z", "rank_fuse", "aj")))
    world.do(rank_fuse(run))
    assert world.asked == ["a", "a", "j", "j", "x"]


def test_the_writer_reads_the_best_two_and_not_who_lost_to_both(lab: Lab) -> None:
    world, run = play(lab, verdicts(lab, *FAIR))
    world.do(rank_fuse(run))
    assert set(shown(world.provider.asked[-1]).values()) == {"Rome", "Paris"}
    assert run.stages[-1].depends_on == (0, 1)


def test_the_writer_reads_three_that_are_close(lab: Lab) -> None:
    world, run = play(lab, lab.says("TIE"))
    world.do(rank_fuse(run))
    assert set(shown(world.provider.asked[-1]).values()) == {"Rome", "Paris", "Oslo"}


def test_of_two_the_writer_reads_both(lab: Lab) -> None:
    world, run = play(lab, lab.says("A"), "ab")
    world.do(rank_fuse(run))
    assert set(shown(world.provider.asked[-1]).values()) == {"Rome", "Paris"}
