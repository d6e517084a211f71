"""The end of a debate: a vote, a judge for a tie, and calls left for it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from executor.chat import ChatReply
from executor.strategies.debate import debate

if TYPE_CHECKING:
    from executor.chat import ChatRequest
    from executor.conftest import Behaviour, Lab, OnText, World
    from executor.run import Run

KEEP = "DECISION: KEEP\nREASON: It holds.\nFINAL ANSWER:\nNever mind."


def chooses(text: str) -> Behaviour:
    """Judge for the answer that says `text`, wherever it stands."""

    async def behave(request: ChatRequest, _on_text: OnText) -> ChatReply:
        letter = re.search(rf'^Answer (.): "{text}"$', request.messages[-1].text, re.MULTILINE)
        assert letter is not None
        return ChatReply(letter[1], "stop", 20, 5)

    return behave


def play(
    lab: Lab, first: dict[str, str], judges: dict[str, Behaviour], *, moving: bool = False, seed: int = 0
) -> tuple[World, Run]:
    """Let agents answer and keep it, or move between places, one round after another."""
    script = {
        agent: [
            lab.says(text),
            *([lab.says(KEEP)] if not moving else [change(lab, f"{text}{agent}"), change(lab, text)]),
        ]
        for agent, text in first.items()
    }
    script |= {judge: [*script.get(judge, []), behaviour] for judge, behaviour in judges.items()}
    world = lab.world(script, seed)
    return world, world.run(lab.task(lab.plan("".join(first), strategy="debate", judges="".join(judges))))


def change(lab: Lab, text: str) -> Behaviour:
    return lab.says(f"DECISION: CHANGE\nREASON: It was wrong.\nFINAL ANSWER:\n{text}")


def told(run: Run) -> list[tuple[str, str, str]]:
    return [(item.stage, item.reason, item.model) for item in run.degradations]


TIE = {"a": "Paris", "b": "Rome"}
TWO_AND_TWO = {"a": "Paris", "b": "Paris", "c": "Rome", "d": "Rome"}


@pytest.mark.parametrize("choice", ["Paris", "Rome"])
@pytest.mark.parametrize("seed", range(5))
def test_a_judge_breaks_a_tie_wherever_the_answers_stand(lab: Lab, choice: str, seed: int) -> None:
    world, run = play(lab, TIE, {"x": chooses(choice)}, seed=seed)
    answer = world.do(debate(run))
    assert "".join(world.asked) == "ababx"
    assert (answer.text, answer.confidence.source, answer.confidence.parts.judge) == (choice, "agreement", None)
    assert answer.agreement == pytest.approx(0.8 / 1.59)
    assert answer.confidence.parts.agreement == pytest.approx((0.8 if choice == "Paris" else 0.79) / 1.59)
    assert (run.stages[-1].name, run.stages[-1].depends_on) == ("judge", (0, 1))
    assert world.provider.asked[-1].temperature == 0
    assert not run.degradations


def test_a_clear_vote_needs_no_judge(lab: Lab) -> None:
    world, run = play(lab, {"a": "Paris", "b": "Rome", "c": "Rome"}, {"x": chooses("Paris")})
    answer = world.do(debate(run))
    assert (answer.text, answer.confidence.source) == ("Rome", "agreement")
    assert "".join(world.asked) == "abcabc"


def test_who_holds_one_of_the_answers_is_no_judge_of_them(lab: Lab) -> None:
    judges = {"b": chooses("Paris"), "d": chooses("Rome"), "x": chooses("Rome")}
    world, run = play(lab, TWO_AND_TWO, judges)
    assert world.do(debate(run)).text == "Rome"
    assert "".join(world.asked)[8:] == "x"


def test_an_agent_whose_answer_is_out_of_the_vote_may_judge(lab: Lab) -> None:
    world, run = play(lab, TWO_AND_TWO | {"e": "Oslo"}, {"e": chooses("Rome")})
    assert world.do(debate(run)).text == "Rome"
    assert "".join(world.asked)[10:] == "e"


def test_without_a_judge_the_heaviest_answer_is_taken(lab: Lab) -> None:
    world, run = play(lab, TWO_AND_TWO, {"b": chooses("Rome")})
    answer = world.do(debate(run))
    assert (answer.text, answer.confidence.source) == ("Paris", "agreement")
    assert told(run) == [("judge", "no_judge", "")]


@pytest.mark.parametrize("reason", ["rejected", "unavailable", "too_large"])
def test_a_judge_that_fails_leaves_it_to_the_next(lab: Lab, reason: str) -> None:
    world, run = play(lab, TIE, {"x": lab.fails(reason), "y": chooses("Rome")})
    answer = world.do(debate(run))
    assert (answer.text, answer.confidence.source) == ("Rome", "agreement")
    assert "".join(world.asked)[4:] == "xy"
    assert told(run) == [("judge", reason, "x")]


def test_when_all_judges_fail_the_heaviest_answer_is_taken(lab: Lab) -> None:
    world, run = play(lab, TIE, {"x": lab.hangs(), "y": lab.says("")})
    answer = world.do(debate(run))
    assert (answer.text, answer.confidence.source) == ("Paris", "agreement")
    assert told(run) == [("judge", "timeout", "x"), ("judge", "empty_answer", "y")]


@pytest.mark.parametrize("said", ["TIE", "C", "Both are fine.", "Answer A and Answer B agree.", '{"winner": "'])
def test_a_verdict_that_chooses_none_of_them_is_a_bad_response(lab: Lab, said: str) -> None:
    world, run = play(lab, TIE, {"x": lab.says(said)})
    assert world.do(debate(run)).text == "Paris"
    assert told(run) == [("judge", "bad_response", "x")]


def test_who_dissents_from_the_judge_s_choice_is_noted(lab: Lab) -> None:
    world, run = play(lab, TIE, {"x": chooses("Rome")})
    world.do(debate(run))
    assert ["dissents" in stage.note for stage in run.stages[:2]] == [True, False]


def test_agents_that_swap_their_answers_for_ever_are_stopped_after_three_rounds(lab: Lab) -> None:
    script = {
        "a": [lab.says("Paris"), change(lab, "Rome"), change(lab, "Paris"), change(lab, "Rome")],
        "b": [lab.says("Rome"), change(lab, "Paris"), change(lab, "Rome"), change(lab, "Paris")],
        "x": [chooses("Rome")],
    }
    world = lab.world(script)
    run = world.run(lab.task(lab.plan("ab", strategy="debate", judges="x")))
    assert world.do(debate(run)).text == "Rome"
    assert "".join(world.asked) == "ab" * 3 + "x"


def places(agents: str) -> dict[str, str]:
    return dict(zip(agents, ["Paris", "Rome", "Oslo", "Bern", "Wien", "Riga", "Kyiv", "Baku"], strict=False))


@pytest.mark.parametrize(("agents", "rounds"), [("abcde", 3), ("abcdef", 2), ("abcdefg", 2)])
def test_a_round_that_not_all_can_take_part_in_is_left_out_so_that_the_judge_has_a_call(
    lab: Lab, agents: str, rounds: int
) -> None:
    texts = places(agents)
    judge = {"x": chooses("Paris" if rounds == 3 else "Parisa")}
    world, run = play(lab, texts, judge, moving=True)
    world.do(debate(run))
    assert run.stages[-1].name == "judge"
    assert "".join(sorted(world.asked[:-1])) == "".join(sorted(agents * rounds))
    assert world.asked[-1] == "x"
    assert len(world.asked) <= 16
    assert told(run) == ([] if rounds == 3 else [("debate", "call_limit", "")])


def test_eight_agents_argue_once_and_vote_without_a_judge(lab: Lab) -> None:
    world, run = play(lab, places("abcdefgh"), {"x": chooses("Paris")})
    assert world.do(debate(run)).text == "Paris"
    assert "".join(world.asked) == "abcdefgh" * 2
    assert told(run) == [("judge", "call_limit", "x")]


def test_models_of_no_quality_vote_by_their_number(lab: Lab) -> None:
    world = lab.world(
        {"a": [lab.says("Paris"), lab.says(KEEP)], "b": [lab.says("Rome"), lab.says("Rome"), lab.says(KEEP)]}
    )
    agents = tuple(lab.model(name, quality=0.0) for name in "abb")
    run = world.run(lab.task(replace(lab.plan(strategy="debate"), proposers=agents)))
    assert world.do(debate(run)).text == "Rome"
    assert not run.degradations
