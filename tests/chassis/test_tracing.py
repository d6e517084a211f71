"""W3C trace context: a server's span continues its caller's, and calls continue the server's."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import TYPE_CHECKING

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from structlog.testing import capture_logs

from chassis import client, spans
from chassis.errors import ServiceError
from chassis.interceptors import note
from chassis.spans import Spans
from chassis.telemetry import Tracing
from openprysm.executor.v1 import executor_pb2, executor_pb2_grpc
from openprysm.planner.v1 import planner_pb2, planner_pb2_grpc

from .service import CANARY, PATIENCE_S, PLANNER, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

    from .service import Service

_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
_PARENT = "00f067aa0ba902b7"
_TRACEPARENT = f"00-{_TRACE}-{_PARENT}-01"


async def only_span(service: Service) -> ReadableSpan:
    async with asyncio.timeout(PATIENCE_S):
        while not (spans := service.spans.get_finished_spans()):
            await asyncio.sleep(0.001)
    (span,) = spans
    return span


async def test_the_servers_span_is_a_child_of_its_callers(service: Service) -> None:
    await service.plan(metadata=(("traceparent", _TRACEPARENT), ("tracestate", "a=b")))
    span = await only_span(service)
    assert span.parent
    assert trace.format_trace_id(span.context.trace_id) == _TRACE
    assert trace.format_span_id(span.parent.span_id) == _PARENT
    assert span.context.trace_state.get("a") == "b"
    assert (span.name, span.kind) == (f"{PLANNER}/Plan", SpanKind.SERVER)
    assert span.attributes == {"rpc.system": "grpc", "rpc.service": PLANNER, "rpc.method": "Plan"}
    assert span.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize("value", ["", "00", f"00-{'0' * 32}-{_PARENT}-01", f"ff-{_TRACE}-{_PARENT}-01", CANARY])
async def test_a_context_that_is_none_begins_a_new_trace(service: Service, value: str) -> None:
    await service.plan(metadata=(("traceparent", value),))
    span = await only_span(service)
    assert span.parent is None
    assert span.context.is_valid


async def test_a_call_from_a_handler_continues_the_trace(service: Service) -> None:
    seen: list[tuple[tuple[str, str], ...]] = []

    async def answer(request: planner_pb2.PlanRequest) -> planner_pb2.PlanResponse:
        seen.append(spans.outgoing())
        if request.policy == "outer":
            stub = planner_pb2_grpc.PlannerServiceStub(service.channel)
            return await client.call(stub.Plan, planner_pb2.PlanRequest(policy="inner"), PATIENCE_S)
        return planner_pb2.PlanResponse()

    service.answer = answer
    await service.plan("outer", (("traceparent", _TRACEPARENT),))
    inner, outer = service.spans.get_finished_spans()
    assert inner.parent
    assert outer.parent
    assert trace.format_span_id(outer.parent.span_id) == _PARENT
    assert inner.parent.span_id == outer.context.span_id
    assert inner.context.trace_id == outer.context.trace_id
    assert dict(seen[0])["traceparent"] == f"00-{_TRACE}-{trace.format_span_id(outer.context.span_id)}-01"


def test_outside_of_any_trace_nothing_is_sent() -> None:
    assert spans.outgoing() == ()


async def test_a_handlers_notes_stand_in_the_line_of_its_own_request(service: Service) -> None:
    async def answer(request: planner_pb2.PlanRequest) -> planner_pb2.PlanResponse:
        note(strategy=request.policy)
        await asyncio.sleep(0)
        return planner_pb2.PlanResponse()

    service.answer = answer
    with capture_logs() as logs:
        await asyncio.gather(service.plan("single"), service.plan("debate"))
        service.answer = unnoted
        await service.plan()
    assert {line.get("strategy") for line in logs[:2]} == {"single", "debate"}  # in whichever order they ended
    assert logs[2].get("strategy") is None


async def unnoted(_request: planner_pb2.PlanRequest) -> planner_pb2.PlanResponse:
    return planner_pb2.PlanResponse()


async def test_spans_of_requests_at_once_do_not_mix(service: Service) -> None:
    async def answer(request: planner_pb2.PlanRequest) -> planner_pb2.PlanResponse:
        await asyncio.sleep(0)
        here = spans.current()
        assert here is not None
        return planner_pb2.PlanResponse(plan=planner_pb2.Plan(policy=request.policy, rationale=here.trace_id))

    service.answer = answer
    traces = [f"{number:032x}" for number in range(1, 21)]
    answers = await asyncio.gather(*(service.plan(one, (("traceparent", f"00-{one}-{_PARENT}-01"),)) for one in traces))
    assert [answer.plan.rationale for answer in answers] == traces


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ServiceError(grpc.StatusCode.ABORTED, "overloaded", CANARY), "overloaded"),
        (OSError(CANARY), "orchestration_error"),
    ],
)
async def test_a_failed_rpcs_span_names_the_reason_alone(service: Service, error: Exception, reason: str) -> None:
    async def answer(_request: planner_pb2.PlanRequest) -> planner_pb2.PlanResponse:
        raise error

    service.answer = answer
    with pytest.raises(grpc.aio.AioRpcError):
        await service.plan()
    span = await only_span(service)
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, reason)
    assert span.attributes
    assert span.attributes["error.type"] == reason
    assert CANARY not in span.to_json()


async def test_a_span_of_domain_code_fails_by_the_exceptions_type_alone(service: Service) -> None:
    with pytest.raises(KeyError), Spans(Tracing.to(None)).start("prysm.test", {"a": 1}) as span:
        raise KeyError(CANARY)
    assert len(span.trace_id) == 32
    assert len(span.span_id) == 16
    assert service.spans.get_finished_spans() == ()


async def test_a_client_that_goes_away_leaves_one_line_and_a_cancelled_span(service: Service) -> None:
    entered = asyncio.Event()

    async def answer(_request: planner_pb2.PlanRequest) -> planner_pb2.PlanResponse:
        entered.set()
        await asyncio.Event().wait()
        raise AssertionError

    service.answer = answer
    with capture_logs() as logs:
        request = asyncio.create_task(service.plan())
        await entered.wait()
        request.cancel()
        span = await only_span(service)
    assert [(line["event"], line["code"]) for line in logs] == [("rpc", "CANCELLED")]
    assert span.attributes
    assert span.attributes["error.type"] == "cancelled"


async def test_a_stream_that_nobody_reads_any_more_is_closed_at_once(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    closed = asyncio.Event()

    async def stream() -> AsyncIterator[executor_pb2.ExecuteResponse]:
        try:
            while True:
                yield executor_pb2.ExecuteResponse()
        finally:
            closed.set()

    service.stream = stream
    call = executor_pb2_grpc.ExecutorServiceStub(service.channel).Execute(executor_pb2.ExecuteRequest())
    with caplog.at_level(logging.WARNING), capture_logs() as logs:
        await call.read()
        call.cancel()
        async with asyncio.timeout(PATIENCE_S):
            await closed.wait()
        span = await only_span(service)
        gc.collect()
    assert [(line["event"], line["code"]) for line in logs] == [("rpc", "CANCELLED")]
    assert span.status.status_code is StatusCode.ERROR
    assert caplog.records == []


async def test_of_an_internal_method_only_failures_have_a_line(folder: Path) -> None:
    async def refuse(_request: planner_pb2.PlanRequest) -> planner_pb2.PlanResponse:
        raise ServiceError(grpc.StatusCode.ABORTED, "overloaded", CANARY)

    async with serving(folder, internal=(f"/{PLANNER}/",)) as service:
        with capture_logs() as logs:
            await service.plan()
            service.answer = refuse
            with pytest.raises(grpc.aio.AioRpcError):
                await service.plan()
            call = executor_pb2_grpc.ExecutorServiceStub(service.channel).Execute(executor_pb2.ExecuteRequest())
            assert [event async for event in call] == []
    assert [(line["log_level"], line["code"]) for line in logs if line["event"] == "rpc"] == [
        ("debug", "OK"),
        ("info", "ABORTED"),
        ("info", "OK"),
    ]
