"""What a run leaves behind of every call: a stage, a span, two words to the observer."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from opentelemetry.trace import SpanKind

from executor.chat import CallError

if TYPE_CHECKING:
    from executor.conftest import Lab, World
    from executor.run import Run


@pytest.fixture
def world(lab: Lab) -> World:
    return lab.world(
        {
            "a": [lab.says("Paris", after_s=1.0)],
            "b": [lab.fails("unavailable", transient=True, after_s=0.5)],
            "c": [lab.hangs()],
            "d": [lab.fails("rejected")],
        }
    )


@pytest.fixture
def run(world: World, lab: Lab) -> Run:
    """Four models asked at once: one answers, one fails twice, one hangs, one refuses."""
    run = world.run(lab.task(), deadline_s=10.0)

    async def ask(name: str) -> None:
        with suppress(CallError):
            await run.ask("propose", lab.model(name), lab.question, depends_on=(7, 8))

    async def all_at_once() -> None:
        await asyncio.gather(*(ask(name) for name in "abcd"))

    world.do(all_at_once())
    return run


def test_every_attempt_is_a_stage_in_order_of_its_start(run: Run) -> None:
    assert [stage.index for stage in run.stages] == [0, 1, 2, 3, 4]
    assert [(stage.model.id, stage.attempt) for stage in run.stages] == [
        ("a", 1),
        ("b", 1),
        ("c", 1),
        ("d", 1),
        ("b", 2),
    ]
    assert [stage.start_ms for stage in run.stages] == sorted(stage.start_ms for stage in run.stages)


def test_no_stage_is_left_running(run: Run) -> None:
    assert [stage.status for stage in run.stages] == ["ok", "failed", "failed", "failed", "failed"]
    assert [stage.error_reason for stage in run.stages] == ["", "unavailable", "timeout", "rejected", "unavailable"]
    assert all(bool(stage.error_message) == (stage.status != "ok") for stage in run.stages)


def test_a_stage_says_what_was_asked_and_how_long_it_took(run: Run, lab: Lab) -> None:
    stage = run.stages[0]
    assert (stage.name, stage.depends_on) == ("propose", (7, 8))
    assert stage.request.messages == lab.question
    assert (stage.request.max_tokens, stage.request.temperature) == (100, 0.7)
    assert stage.duration_ms == pytest.approx(1000)
    assert run.stages[2].duration_ms == pytest.approx(10_000)


def test_the_observer_sees_each_stage_start_once_and_end_once(run: Run, world: World) -> None:
    assert world.watcher.started_stages == [0, 1, 2, 3, 4]
    assert sorted(world.watcher.completed_stages) == [(stage.index, stage.status) for stage in run.stages]


def test_each_stage_has_a_span_of_its_own(run: Run, world: World) -> None:
    spans = [span for span in world.finished_spans() if span.kind is SpanKind.CLIENT]
    ids = {f"{span.context.span_id:016x}" for span in spans if span.context}
    assert ids == {stage.span_id for stage in run.stages}
    assert len(ids) == len(run.stages)


def test_a_span_says_what_the_stage_says_and_no_text(run: Run, world: World) -> None:
    spans = {f"{span.context.span_id:016x}": span for span in world.finished_spans() if span.context}
    for stage in run.stages:
        attributes = dict(spans[stage.span_id].attributes or {})
        assert attributes["gen_ai.operation.name"] == "chat"
        assert attributes["gen_ai.request.model"] == stage.request.model
        assert attributes["gen_ai.usage.input_tokens"] == stage.prompt_tokens
        assert attributes["prysm.attempt"] == stage.attempt
        assert attributes["prysm.status"] == stage.status
        assert attributes["prysm.cost.usd"] == stage.cost / 1e12
        assert "France" not in repr(attributes)
        assert "Paris" not in repr(attributes)


def test_a_failed_span_names_the_typed_reason(run: Run, world: World) -> None:
    spans = {f"{span.context.span_id:016x}": span for span in world.finished_spans() if span.context}
    for stage in run.stages:
        attributes = dict(spans[stage.span_id].attributes or {})
        assert attributes.get("error.type", "") == stage.error_reason


def test_what_the_upstream_is_called_is_the_model_s_upstream_name(lab: Lab) -> None:
    world = lab.world({"vendor/x-1": [lab.says("Paris")]})
    run = world.run(lab.task())
    world.do(run.ask("answer", lab.model("x", upstream="vendor/x-1"), lab.question))
    assert world.asked == ["vendor/x-1"]
    assert run.stages[0].model.id == "x"


def test_cancelling_the_caller_cancels_the_call_and_settles_its_stage(lab: Lab, world: World) -> None:
    run = world.run(lab.task())

    async def cancel() -> None:
        task = asyncio.create_task(run.ask("answer", lab.model("c"), lab.question))
        await asyncio.sleep(1)
        assert world.provider.running == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert world.provider.running == 0

    world.do(cancel())
    assert [stage.status for stage in run.stages] == ["cancelled"]
    assert world.watcher.completed_stages == [(0, "cancelled")]


def test_cancelling_during_the_pause_before_a_second_try_leaves_no_stage_open(lab: Lab) -> None:
    world = lab.world({"a": [lab.fails("rate_limited", transient=True, retry_after_s=1.9)]})
    run = world.run(lab.task())

    async def cancel() -> None:
        task = asyncio.create_task(run.ask("answer", lab.model("a"), lab.question))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    world.do(cancel())
    assert [stage.status for stage in run.stages] == ["failed"]


def test_a_cancelled_probe_leaves_the_breaker_ready_for_the_next(lab: Lab, world: World) -> None:
    world.break_open("c")
    world.clock.now += 60.0
    run = world.run(lab.task())

    async def cancel() -> None:
        task = asyncio.create_task(run.ask("answer", lab.model("c"), lab.question))
        await asyncio.sleep(1)
        assert not world.breakers.admits("c")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    world.do(cancel())
    assert world.breakers.admits("c")
