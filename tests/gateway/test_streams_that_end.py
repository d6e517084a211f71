"""How a stream ends: with an error, a cut, a client that leaves or reads slowly, a gateway that stops."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import aiohttp
import grpc
import pytest

from chassis.errors import ServiceError
from cli.gateway_admin import drain
from gateway import http2
from gateway.events import SSE, STREAM, event, events_of, reading, result
from gateway.stack import KEY, soon
from openprysm.orchestration.v2 import orchestration_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.fakes import Context
    from gateway.stack import Stack, Start

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="module")]

ALL_MODELS_FAILED = ServiceError(grpc.StatusCode.UNAVAILABLE, "all_models_failed", "every model call failed")


async def test_a_failure_before_the_first_event_is_a_plain_error(stack: Stack) -> None:
    stack.executor.raises(ALL_MODELS_FAILED)
    for accept in ("*/*", SSE):
        reply = await stack.orchestrate(STREAM, accept=accept)
        assert (reply.status, reply.error, reply.message) == (502, "all_models_failed", "every model call failed")
    stack.executor.raises(ServiceError(grpc.StatusCode.UNAUTHENTICATED, "invalid_api_key", "unknown"))
    reply = await stack.orchestrate(STREAM)
    assert (reply.status, reply.error, reply.headers["www-authenticate"]) == (401, "invalid_api_key", "Bearer")


async def test_a_failure_after_an_error_event_ends_the_stream_cleanly(stack: Stack) -> None:
    async def fail(_request: Any, _context: Context) -> AsyncIterator[Any]:
        yield event("plan", 0, plan=pb.PlanSummary())
        yield event("error", 1, detail=pb.ErrorDetail(error="all_models_failed", message="m", request_id="r"))
        raise ALL_MODELS_FAILED

    stack.executor.streaming = fail
    reply = await stack.orchestrate(STREAM)
    assert (reply.status, reply.headers["content-type"]) == (200, SSE)
    assert events_of(reply.body)[-1]["detail"] == {"error": "all_models_failed", "message": "m", "request_id": "r"}
    async with http2.connect(stack.port) as connection:
        headers = [("authorization", f"Bearer {KEY}")]
        over_http2 = await connection.request(1, "POST", "/v2/orchestrate", headers, STREAM)
    assert over_http2.body == reply.body


async def test_a_service_that_dies_leaves_a_stream_without_an_end(stack: Stack) -> None:
    async def die(_request: Any, _context: Context) -> AsyncIterator[Any]:
        yield event("plan", 0, plan=pb.PlanSummary())
        await stack.executor.disconnect()
        await asyncio.Event().wait()

    stack.executor.streaming = die
    async with reading(stack) as response:
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
    assert len(stack.executor.calls) == 1
    await stack.executor.connect()


async def test_a_client_that_leaves_cancels_the_service(stack: Stack) -> None:
    cancelled = asyncio.Event()

    async def wait(_request: Any, _context: Context) -> AsyncIterator[Any]:
        yield event("plan", 0, plan=pb.PlanSummary())
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    stack.executor.streaming = wait
    async with reading(stack) as response:
        await response.content.readuntil(b"\n\n")
        response.close()
    await asyncio.wait_for(cancelled.wait(), 1)


class Flood:
    """A service that sends as fast as it is read, until it is told to finish."""

    def __init__(self, stack: Stack) -> None:
        self.sent, self.finish = 0, asyncio.Event()
        stack.executor.streaming = self._send

    async def _send(self, _request: Any, _context: Context) -> AsyncIterator[Any]:
        seq = 0
        while not self.finish.is_set():
            yield event("answer.delta", seq, delta="x" * 65536)
            seq, self.sent = seq + 1, self.sent + 1
        yield event("result", seq, result=result())

    async def stalled(self) -> bool:
        before = self.sent
        await asyncio.sleep(0.2)
        return 0 < before == self.sent


async def test_a_client_that_reads_nothing_holds_the_service_back(stack: Stack) -> None:
    flood = Flood(stack)
    async with reading(stack) as response:
        await stack.until(flood.stalled)
        assert flood.sent * 65536 < 32 << 20  # most of it in the buffers of the socket
        flood.finish.set()
        body = await response.read()
    events = events_of(body)
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert events[-1]["type"] == "result"


async def test_clients_that_read_nothing_hold_nobody_else_back(stack: Stack) -> None:
    flood = Flood(stack)
    async with AsyncExitStack() as exits:
        for _ in range(12):
            await exits.enter_async_context(reading(stack))
        await stack.until(flood.stalled)
        for _ in range(4):
            assert (await stack.orchestrate()).status == 200
        flood.finish.set()


async def test_a_long_stream_is_not_too_large_a_response(stack: Stack) -> None:
    async def much(_request: Any, _context: Context) -> AsyncIterator[Any]:
        for seq in range(20):
            yield event("answer.delta", seq, delta="x" * (1 << 20))
        big = result()
        big.rationale = "x" * (7 << 20)
        yield event("result", 20, result=big)

    stack.executor.streaming = much
    events = events_of((await stack.orchestrate(STREAM)).body)
    assert sum(len(event.get("delta", "")) for event in events) == 20 << 20
    assert len(events[-1]["result"]["rationale"]) == 7 << 20


async def test_a_stream_has_the_time_of_a_single_answer(start: Start) -> None:
    async with start(request_timeout_s=1.0) as stack:
        cancelled = asyncio.Event()

        async def forget(_request: Any, _context: Context) -> AsyncIterator[Any]:
            yield event("plan", 0, plan=pb.PlanSummary())
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        stack.executor.streaming = forget
        async with reading(stack) as response:
            body = await response.read()
        assert [event["type"] for event in events_of(body)] == ["plan"]
        await soon(cancelled)
        remaining = stack.executor.calls[0].remaining_s
        assert remaining
        assert 0.8 < remaining <= 0.9


async def test_a_running_stream_ends_before_a_gateway_that_stops(start: Start) -> None:
    async with start() as stack:
        started, release = asyncio.Event(), asyncio.Event()

        async def slow(_request: Any, _context: Context) -> AsyncIterator[Any]:
            yield event("plan", 0, plan=pb.PlanSummary())
            started.set()
            await release.wait()
            yield event("result", 1, result=result())

        stack.executor.streaming = slow
        client = asyncio.create_task(stack.orchestrate(STREAM))
        await soon(started)
        draining = asyncio.create_task(drain(stack.settings, 10))
        await asyncio.sleep(0)
        release.set()
        assert [event["type"] for event in events_of((await client).body)] == ["plan", "result"]
        assert await draining
