"""Thousands of random faults: whatever the models do, a run ends in time, typed, counted and paid for."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor.attempt import MAX_CALLS
from executor.chat import CallError
from executor.reply import AllFailedError, BrokenOffError
from executor.stages import total
from executor.strategies import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from executor.conftest import Behaviour, Lab, World
    from executor.run import Run
    from executor.strategies.answer import Answer

Fault: TypeAlias = "Callable[[Lab], Behaviour]"


def says(
    text: str, prompt: Any = 20, completion: Any = 5, *, after_s: float = 0.0, finish: str = "stop",
    logprob: float | None = None,
) -> Fault:  # fmt: skip
    return lambda lab: lab.says(text, prompt, completion, finish, after_s, logprob)


def fails(reason: str, **details: Any) -> Fault:
    return lambda lab: lab.fails(reason, **details)


def writes(*pieces: str, every_s: float, then: CallError | None = None) -> Fault:
    return lambda lab: lab.writes(*pieces, every_s=every_s, then=then)


PLAN = """```json
{"nodes": [{"id": "1", "task": "first", "capability": "math"}, {"id": "2", "task": "second"},
           {"id": "3", "task": "third with $1", "needs": ["1", "2"], "capability": "nobody knows it"}]}
```"""

FAULTS: list[Fault] = [
    says("Paris"),
    says("It is Paris.", after_s=0.5),
    says("Rome", after_s=5.0),
    says("42", after_s=30.0),
    says("They agree.\nFINAL ANSWER:\nParis"),
    says("They agree.\nFINAL ANSWER:"),
    says("They ag", finish="length"),
    says("Par", finish="length", after_s=0.5),
    says(" \n"),
    says("half a pair \ud800"),
    says("Yes", -5, -(10**12)),
    says("No", 10**12, 10**30),
    says("B", None, None),
    says("C", True, False),
    says("D", 0, 0),
    says("A"),
    says("B is better", after_s=0.5),
    says("TIE"),
    says("DECISION: CHANGE\nREASON: I was wrong.\nFINAL ANSWER:\nRome"),
    says("DECISION: KEEP\nREASON: It holds.\nFINAL ANSWER:\nParis", after_s=0.5),
    says(PLAN),
    says(PLAN, after_s=5.0),
    says('{"nodes": [{"id": 1, "task": "all of it"}]}'),
    says('{"nodes": [{"id": 1, "task": "x", "needs": [2]}, {"id": 2, "task": "y", "needs": [1]}]}'),
    says("Paris", logprob=-0.01),
    says("Rome", logprob=-5.0),
    writes("FINAL", " ANSWER:\nPa", "ris", every_s=0.2),
    writes("Pa", "ris", every_s=0.5, then=CallError("bad_response", "cut", transient=True, worked=True)),
    writes("FINAL ANSWER: Pa", every_s=40.0, then=CallError("unavailable", "gone", worked=True)),
    fails("rejected"),
    fails("rejected", after_s=5.0),
    fails("too_large", worked=True),
    fails("bad_response", worked=True, after_s=0.5),
    fails("unavailable", transient=True),
    fails("unavailable", transient=True, worked=True, after_s=30.0),
    fails("rate_limited", transient=True, retry_after_s=1.0),
    fails("rate_limited", transient=True, retry_after_s=float("inf")),
    fails("timeout", transient=True, after_s=5.0),
    lambda lab: lab.hangs(),
    lambda lab: lab.hangs(),
]
#: Scripts a shape.
_SCRIPTS = int(os.environ.get("DRILL_SCRIPTS", "150"))
#: What each model does at its first, second and every later call.
SCRIPTS = st.lists(st.tuples(*[st.sampled_from(FAULTS)] * 3), min_size=8, max_size=8)


async def answer_of(shape: str, run: Run) -> Answer:
    return await STRATEGIES[shape](run)


def check(world: World, run: Run, deadline_s: float) -> None:
    """Check what holds for every run, however it ended."""
    assert run.elapsed_ms() <= deadline_s * 1e3 + 1
    assert world.provider.running == 0
    assert len(run.stages) == len(world.asked) <= MAX_CALLS
    assert [stage.index for stage in run.stages] == list(range(len(run.stages)))
    for stage in run.stages:
        assert stage.status in {"ok", "failed", "cancelled"}
        assert bool(stage.error_reason) == (stage.status != "ok")
        assert len(stage.span_id) == 16
        assert stage.cost >= 0
        assert stage.prompt_tokens >= 0
        assert stage.completion_tokens >= 0
        assert stage.start_ms >= 0
        assert stage.duration_ms >= 0
    assert world.watcher.started_stages == [stage.index for stage in run.stages]
    assert sorted(world.watcher.completed_stages) == [(stage.index, stage.status) for stage in run.stages]
    assert run._ledger.spent == total(run.stages).cost
    assert run._ledger._reserved == 0


def check_answer(run: Run, answer: Answer) -> None:
    assert answer.text.strip()
    answer.text.encode()
    assert answer.finish_reason in {"stop", "length"}
    assert answer.agreement is None or 0 < answer.agreement <= 1
    assert 0 <= answer.confidence.value <= 1
    assert answer.confidence.source in {"prior", "logprob", "agreement", "judge"}
    assert (answer.confidence.parts.agreement is None) == (answer.agreement is None)
    assert answer.aggregator is None or answer.aggregator in {s.model.id for s in run.stages if s.status == "ok"}
    unanswered = {stage.model.id for stage in run.stages if stage.status != "ok" and stage.note != "hedge"}
    unanswered -= {stage.model.id for stage in run.stages if stage.status == "ok"}
    assert unanswered <= {item.model for item in run.degradations}, "who never answered is told"


def check_failures(error: AllFailedError) -> None:
    assert error.failures
    assert str(error)


def check_broken_off(world: World, run: Run, error: BrokenOffError) -> None:
    assert world.watcher.pieces
    assert error.model.id in {stage.model.id for stage in run.stages if stage.status == "failed"}


def play(lab: Lab, shape: str, script: list[tuple[Fault, ...]], limits: Limits) -> tuple[World, Run]:
    proposers, synthesizers, fallbacks, deadline_s, max_cost, listens = limits
    plan = lab.plan(proposers, synthesizers, fallbacks, shape, judges="xyab")
    plan = replace(plan, routes={"general": lab.models("ab"), "math": lab.models("cx")})
    world = lab.world({name: [fault(lab) for fault in faults] for name, faults in zip("abcdefxy", script, strict=True)})
    world.watcher.listens = listens
    for model in "abcdefxy" * 20:
        world.hedges.observe(model, 0.01, streamed=listens)
    return world, world.run(lab.task(plan), deadline_s, max_cost)


#: Proposers, synthesizers, fallbacks, seconds, 1e-12 USD, whether somebody listens.
Limits: TypeAlias = tuple[str, str, str, float, int | None, bool]
LIMITS: st.SearchStrategy[Limits] = st.tuples(
    st.sampled_from(["a", "aa", "ab", "abc", "aaaa", "abcd", "abcdabcd"]),
    st.sampled_from(["", "x", "xy", "ax"]),
    st.sampled_from(["", "e", "ef"]),
    st.sampled_from([0.001, 1.0, 20.0, 120.0, 120.0]),
    st.none() | st.integers(1, 20_000),
    st.booleans(),
)


@pytest.mark.parametrize("shape", sorted(STRATEGIES))
@settings(max_examples=_SCRIPTS, deadline=None)
@given(script=SCRIPTS, limits=LIMITS, opened=st.sets(st.sampled_from("abcdefxy")))
def test_a_run_ends_with_an_answer_or_with_all_failed(
    lab: Lab, shape: str, script: list[tuple[Fault, ...]], limits: Limits, opened: set[str]
) -> None:
    world, run = play(lab, shape, script, limits)
    world.break_open(*opened)
    try:
        answer = world.do(answer_of(shape, run))
    except AllFailedError as error:
        check_failures(error)
        assert not world.watcher.pieces
    except BrokenOffError as error:
        check_broken_off(world, run, error)
    else:
        check_answer(run, answer)
        assert answer.text.startswith("".join(world.watcher.pieces))
    check(world, run, limits[3])


@pytest.mark.parametrize("shape", sorted(STRATEGIES))
@settings(max_examples=_SCRIPTS // 5, deadline=None)
@given(script=SCRIPTS, limits=LIMITS, after_s=st.sampled_from([0.0, 0.1, 1.0, 7.0, 36.5, 100.0]))
def test_a_run_can_be_cancelled_at_any_time(
    lab: Lab, shape: str, script: list[tuple[Fault, ...]], limits: Limits, after_s: float
) -> None:
    world, run = play(lab, shape, script, limits)

    async def cancel() -> None:
        task = asyncio.create_task(answer_of(shape, run))
        await asyncio.sleep(after_s)
        task.cancel()
        with suppress(AllFailedError, BrokenOffError, asyncio.CancelledError):
            await task

    world.do(cancel())
    check(world, run, max(after_s, limits[3]))
