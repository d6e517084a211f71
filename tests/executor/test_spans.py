"""What a trace shows of a run: one span a call, below it one span an attempt, and never a text unless it is wanted."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from executor.chat import CallError
from executor.reply import AllFailedError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from executor.conftest import Lab, World
    from executor.run import Run


def named(world: World, prefix: str) -> list[ReadableSpan]:
    return [span for span in world.finished_spans() if span.name.startswith(prefix)]


def ids(spans: list[ReadableSpan]) -> list[str]:
    return [f"{span.context.span_id:016x}" for span in spans if span.context]


def ask_any(world: World, run: Run, lab: Lab, names: str) -> None:
    world.do(run.ask_any("answer", lab.models(names), lab.question))


def late(lab: Lab) -> tuple[World, Run]:
    """Return a world in which `a` is late and `b` not, as soon as somebody asks."""
    world = lab.world({"a": [lab.says("Paris", after_s=9.0)], "b": [lab.says("Paris")]})
    for model in "ab":
        for _ in range(20):
            world.hedges.observe(model, 1.0, streamed=False)
    return world, world.run(lab.task())


def test_all_attempts_at_one_call_are_below_its_span(lab: Lab) -> None:
    world = lab.world({"a": [lab.fails("unavailable", transient=True)], "b": [lab.says("Paris")]})
    ask_any(world, world.run(lab.task()), lab, "ab")
    (call,) = named(world, "invoke_agent ")
    attempts = named(world, "chat ")
    assert [span.name for span in attempts] == ["chat a", "chat a", "chat b"]
    assert [dict(span.attributes or {})["prysm.attempt"] for span in attempts] == [1, 2, 1]
    assert call.context
    assert {span.parent.span_id for span in attempts if span.parent} == {call.context.span_id}
    assert dict(call.attributes or {}) == {
        "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "answer", "prysm.stage": "answer",
    }  # fmt: skip
    assert call.status.is_ok


def test_a_call_that_nobody_answers_fails_by_the_reason(lab: Lab) -> None:
    world = lab.world({"a": [lab.fails("rejected")], "b": [lab.fails("too_large")]})
    run = world.run(lab.task())
    with pytest.raises(CallError):
        world.do(run.ask("propose", lab.model("a"), lab.question))
    with pytest.raises(AllFailedError):
        ask_any(world, run, lab, "ab")
    reasons = [(span.attributes or {})["error.type"] for span in named(world, "invoke_agent ")]
    assert reasons == ["rejected", "all_models_failed"]


def test_a_hedge_is_linked_to_the_attempt_that_it_hedges(lab: Lab) -> None:
    world, run = late(lab)
    ask_any(world, run, lab, "ab")
    by_name = {span.name: span for span in named(world, "chat ")}
    (link,) = by_name["chat b"].links
    assert by_name["chat a"].context
    assert (link.context.trace_id, link.context.span_id) == (
        by_name["chat a"].context.trace_id,
        by_name["chat a"].context.span_id,
    )
    assert not by_name["chat a"].links
    assert (by_name["chat a"].attributes or {})["error.type"] == "cancelled"


def test_a_run_that_is_cancelled_says_so_in_every_span_that_was_open(lab: Lab) -> None:
    world = lab.world({"a": [lab.hangs()]})
    run = world.run(lab.task())

    async def leave() -> None:
        asking = asyncio.create_task(run.ask("propose", lab.model("a"), lab.question))
        await asyncio.sleep(1)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)

    world.do(leave())
    assert [(span.name, (span.attributes or {})["error.type"]) for span in world.finished_spans()] == [
        ("chat a", "cancelled"),
        ("invoke_agent propose", "cancelled"),
    ]


def test_a_span_lasts_exactly_as_long_as_its_stage(lab: Lab) -> None:
    world, run = late(lab)
    ask_any(world, run, lab, "ab")
    spans = named(world, "chat ")
    lasted = {name: (span.end_time or 0) - (span.start_time or 0) for name, span in zip(ids(spans), spans, strict=True)}
    assert lasted == {stage.span_id: round(stage.duration_ms * 1e6) for stage in run.stages}
    assert max(lasted.values()) == 1_000_000_000


def test_texts_are_in_spans_where_the_operator_wants_them_and_nowhere_else(lab: Lab) -> None:
    world = lab.world({"a": [lab.says("Paris")]})
    world.do(world.run(lab.task()).ask("answer", lab.model("a"), lab.question))
    assert "Paris" not in repr([dict(span.attributes or {}) for span in world.finished_spans()])
    world.edges = replace(world.edges, traces_texts=True)
    world.do(world.run(lab.task()).ask("answer", lab.model("a"), lab.question))
    told = dict(named(world, "chat ")[-1].attributes or {})
    asked = [{"role": "user", "parts": [{"type": "text", "content": "What is the capital of France?"}]}]
    assert json.loads(str(told["gen_ai.input.messages"])) == asked
    assert json.loads(str(told["gen_ai.output.messages"]))[0]["parts"][0]["content"] == "Paris"
