"""single: one model, and the next best one when it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from executor.confidence import assess
from executor.reply import AllFailedError
from executor.strategies.answer import Answer
from executor.strategies.single import single

if TYPE_CHECKING:
    from executor.conftest import Lab


def test_a_model_that_answers_is_the_only_one_asked(lab: Lab) -> None:
    world = lab.world({"a": [lab.says("Paris", finish="length")]})
    run = world.run(lab.task(lab.plan("a", fallbacks="bc")))
    answer = world.do(single(run))
    assert answer == Answer("Paris", "length", assess(lab.models("a")[0].quality))
    assert (answer.agreement, answer.aggregator) == (None, None)
    assert world.asked == ["a"]
    assert not run.degradations
    assert [(stage.name, stage.depends_on) for stage in run.stages] == [("answer", ())]


def test_the_model_is_asked_exactly_what_the_caller_asked(lab: Lab) -> None:
    world = lab.world({"a": [lab.says("Paris")]})
    world.do(single(world.run(lab.task(max_tokens=77, temperature=1.3))))
    (request,) = world.provider.asked
    assert (request.messages, request.max_tokens, request.temperature) == (lab.question, 77, 1.3)


@pytest.mark.parametrize("reason", ["timeout", "rejected", "rate_limited", "bad_response", "empty_answer"])
def test_a_stand_in_answers_with_its_own_prior_and_the_answer_is_degraded(lab: Lab, reason: str) -> None:
    first = {
        "timeout": lab.hangs(),
        "empty_answer": lab.says(" "),
    }.get(reason, lab.fails(reason))
    world = lab.world({"a": [first], "b": [lab.says("Paris")]})
    run = world.run(lab.task(lab.plan("a", fallbacks="b")))
    answer = world.do(single(run))
    assert answer.confidence == assess(lab.models("b")[0].quality)
    assert [(item.stage, item.reason, item.model) for item in run.degradations] == [("answer", reason, "a")]


def test_when_everything_fails_the_counts_are_told(lab: Lab) -> None:
    script = {"a": [lab.fails("unavailable", transient=True)], "b": [lab.fails("rejected")], "c": [lab.says("")]}
    world = lab.world(script)
    run = world.run(lab.task(lab.plan("a", fallbacks="bc")))
    with pytest.raises(AllFailedError, match=r"^1 empty_answer, 1 rejected, 1 unavailable$"):
        world.do(single(run))
    assert world.asked == ["a", "a", "b", "c"]
    assert {stage.status for stage in run.stages} == {"failed"}
