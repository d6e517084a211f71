"""Run.ask: one model, one retry, never past its time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from executor.attempt import MAX_CALLS
from executor.chat import CallError
from executor.reply import Reply

if TYPE_CHECKING:
    from executor.conftest import Lab, World
    from executor.run import Run

TRANSIENT = ["unavailable", "rate_limited", "bad_response"]
LASTING = ["rejected", "bad_response", "too_large", "unavailable", "rate_limited"]


async def outcome(run: Run, lab: Lab, share: float = 1.0) -> Reply | CallError:
    try:
        return await run.ask("answer", lab.model("a"), lab.question, share=share)
    except CallError as error:
        return error


def ask(world: World, lab: Lab, deadline_s: float = 60.0, share: float = 1.0) -> tuple[Run, Reply | CallError]:
    run = world.run(lab.task(), deadline_s)
    return run, world.do(outcome(run, lab, share))


def test_an_answer_is_returned_with_the_stage_that_it_came_from(lab: Lab) -> None:
    world = lab.world({"a": [lab.says("Paris", finish="length")]})
    run, reply = ask(world, lab)
    assert reply == Reply("Paris", "length", lab.model("a"), 0)
    assert [(stage.status, stage.attempt, stage.output) for stage in run.stages] == [("ok", 1, "Paris")]


@pytest.mark.parametrize("reason", TRANSIENT)
def test_a_transient_failure_is_tried_once_more(lab: Lab, reason: str) -> None:
    world = lab.world({"a": [lab.fails(reason, transient=True), lab.says("Paris")]})
    run, reply = ask(world, lab)
    assert isinstance(reply, Reply)
    assert reply.stage == 1
    assert [(stage.status, stage.attempt, stage.error_reason) for stage in run.stages] == [
        ("failed", 1, reason),
        ("ok", 2, ""),
    ]


def test_a_second_transient_failure_is_the_end(lab: Lab) -> None:
    world = lab.world({"a": [lab.fails("unavailable", transient=True), lab.fails("rate_limited", transient=True)]})
    run, error = ask(world, lab)
    assert isinstance(error, CallError)
    assert error.reason == "rate_limited"
    assert len(run.stages) == 2


@pytest.mark.parametrize("reason", LASTING)
def test_what_will_not_pass_is_not_tried_again(lab: Lab, reason: str) -> None:
    world = lab.world({"a": [lab.fails(reason)]})
    run, error = ask(world, lab)
    assert isinstance(error, CallError)
    assert error.reason == reason
    assert [stage.status for stage in run.stages] == ["failed"]


@pytest.mark.parametrize("seed", range(20))
def test_the_pause_before_the_second_try_has_jitter_and_a_bound(lab: Lab, seed: int) -> None:
    world = lab.world({"a": [lab.fails("unavailable", transient=True), lab.says("Paris")]}, seed)
    run, _ = ask(world, lab)
    assert 0 <= run.stages[1].start_ms <= 400


def test_two_runs_do_not_pause_equally_long(lab: Lab) -> None:
    script = {"a": [lab.fails("unavailable", transient=True), lab.says("Paris")]}
    starts = {ask(lab.world(script, seed), lab)[0].stages[1].start_ms for seed in range(5)}
    assert len(starts) == 5


def test_the_pause_is_at_least_what_the_provider_asks_for(lab: Lab) -> None:
    world = lab.world({"a": [lab.fails("rate_limited", transient=True, retry_after_s=1.5), lab.says("Paris")]})
    run, _ = ask(world, lab)
    assert run.stages[1].start_ms == pytest.approx(1500)


@pytest.mark.parametrize("seconds", [2.5, 3600.0, float("inf")])
def test_a_provider_that_asks_for_a_long_pause_is_left(lab: Lab, seconds: float) -> None:
    world = lab.world({"a": [lab.fails("rate_limited", transient=True, retry_after_s=seconds)]})
    run, error = ask(world, lab)
    assert isinstance(error, CallError)
    assert len(run.stages) == 1
    assert run.elapsed_ms() == 0


def test_a_call_that_hangs_ends_at_the_deadline(lab: Lab) -> None:
    world = lab.world({"a": [lab.hangs()]})
    run, error = ask(world, lab, deadline_s=7.0)
    assert isinstance(error, CallError)
    assert (error.reason, error.worked, error.transient) == ("timeout", True, False)
    assert run.elapsed_ms() == pytest.approx(7000)
    assert world.provider.running == 0


def test_a_call_takes_no_more_than_its_share_of_the_time(lab: Lab) -> None:
    world = lab.world({"a": [lab.hangs()]})
    run, _ = ask(world, lab, deadline_s=10.0, share=0.6)
    assert run.elapsed_ms() == pytest.approx(6000)


def test_both_tries_share_one_share(lab: Lab) -> None:
    world = lab.world({"a": [lab.fails("unavailable", transient=True, after_s=5.0), lab.hangs()]})
    run, error = ask(world, lab, deadline_s=10.0, share=0.6)
    assert isinstance(error, CallError)
    assert error.reason == "timeout"
    assert [stage.attempt for stage in run.stages] == [1, 2]
    assert run.elapsed_ms() == pytest.approx(6000)


def test_there_is_no_second_try_without_time_for_it(lab: Lab) -> None:
    world = lab.world({"a": [lab.fails("rate_limited", transient=True, retry_after_s=1.0, after_s=9.5)]})
    run, error = ask(world, lab, deadline_s=10.0)
    assert isinstance(error, CallError)
    assert error.reason == "rate_limited"
    assert len(run.stages) == 1


@pytest.mark.parametrize("deadline_s", [0.005, 0.0, -5.0])
def test_without_time_no_call_goes_out(lab: Lab, deadline_s: float) -> None:
    world = lab.world({"a": [lab.says("Paris")]})
    run, error = ask(world, lab, deadline_s)
    assert isinstance(error, CallError)
    assert error.reason == "timeout"
    assert not run.stages
    assert not world.asked


def test_a_time_out_of_the_provider_s_own_is_a_time_out(lab: Lab) -> None:
    world = lab.world({"a": [lab.breaks(TimeoutError())]})
    run, error = ask(world, lab)
    assert isinstance(error, CallError)
    assert run.stages[0].error_reason == "timeout"


@pytest.mark.parametrize("text", ["", "   ", "\n\t\r\n"])
def test_an_empty_answer_is_a_failure_that_is_paid_for(lab: Lab, text: str) -> None:
    world = lab.world({"a": [lab.says(text, prompt=20, completion=3)]})
    run, error = ask(world, lab)
    assert isinstance(error, CallError)
    assert (error.reason, error.transient) == ("empty_answer", False)
    assert run.stages[0].cost == 20 * 2 + 3 * 10


def test_an_answer_that_is_no_unicode_text_is_a_bad_response(lab: Lab) -> None:
    world = lab.world({"a": [lab.says("half a pair: \ud800")]})
    run, error = ask(world, lab)
    assert isinstance(error, CallError)
    assert error.reason == "bad_response"
    assert [(stage.status, stage.error_reason) for stage in run.stages] == [("failed", "bad_response")]


def test_a_request_makes_at_most_sixteen_calls(lab: Lab) -> None:
    world = lab.world({"a": [lab.says("Paris")]})
    run = world.run(lab.task())

    async def many() -> list[Reply | CallError]:
        return await asyncio.gather(*(outcome(run, lab) for _ in range(25)))

    outcomes = world.do(many())
    errors = [found.reason for found in outcomes if isinstance(found, CallError)]
    assert errors == ["call_limit"] * 9
    assert len(run.stages) == len(world.asked) == MAX_CALLS == 16


def test_second_tries_count_as_calls(lab: Lab) -> None:
    world = lab.world({"a": [lab.fails("unavailable", transient=True)]})
    run = world.run(lab.task())

    async def many() -> None:
        await asyncio.gather(*(outcome(run, lab) for _ in range(16)))

    world.do(many())
    assert len(world.asked) == 16
