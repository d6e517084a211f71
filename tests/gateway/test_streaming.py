"""The same request as Server-Sent Events: who gets them, how they arrive, and that nothing else changes."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

import aiohttp
import grpc
import pytest

from chassis.errors import ServiceError
from cli.gateway import drain
from gateway import http2
from gateway.stack import ASK, KEY, PATIENCE_S, soon
from openprysm.orchestration.v2 import orchestration_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.fakes import Context
    from gateway.stack import Reply, Stack, Start

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="module")]

SSE = "text/event-stream"
STREAM = b'{"messages": [{"role": "user", "content": "hi"}], "stream": true}'
ALL_MODELS_FAILED = ServiceError(grpc.StatusCode.UNAVAILABLE, "all_models_failed", "every model call failed")


def events_of(body: bytes) -> list[Any]:
    """Read a whole stream: nothing but `data:` lines, each an object, each followed by an empty line."""
    *parts, rest = body.decode().split("\n\n")
    assert rest == ""
    assert all(part.startswith("data: ") and "\n" not in part for part in parts)
    return [json.loads(part.removeprefix("data: ")) for part in parts]


def event(kind: str, seq: int, **fields: Any) -> pb.StreamOrchestrateResponse:
    return pb.StreamOrchestrateResponse(type=kind, seq=seq, ts_ms=seq / 4, **fields)


async def of_each_type(_request: Any, _context: Context) -> AsyncIterator[Any]:
    stage = pb.Stage(name="answer", model="a", status="ok", depends_on=[0])
    yield event("plan", 0, plan=pb.PlanSummary(strategy="single", models=["a"]))
    yield event("stage.started", 1, stage=pb.Stage(name="answer", model="a", status="running"))
    yield event("stage.completed", 2, stage=stage)
    yield event("answer.delta", 3, delta='é 🦉\n\ndata: "x"\r\n')
    yield event("result", 4, result=result())


def result() -> pb.OrchestrateResponse:
    answer = pb.OrchestrateResponse(id="prysm-0", object="orchestration", created=1, choices=[pb.Choice()])
    stage: Any = {"depends_on": [0.5, None]}  # one key: objects have no order of their own
    answer.prysm.stages.extend([stage])
    answer.prysm.proof.bundle.update({"n": 1})
    return answer


@asynccontextmanager
async def reading(stack: Stack, body: bytes = STREAM, **headers: str) -> AsyncIterator[aiohttp.ClientResponse]:
    """Read a response bit by bit."""
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{stack.port}", timeout=aiohttp.ClientTimeout(PATIENCE_S)) as session,
        session.post("/v2/orchestrate", data=body, headers={"authorization": f"Bearer {KEY}", **headers}) as response,
    ):
        yield response


@pytest.mark.parametrize(
    ("body", "accept", "streams"),
    [
        (STREAM, "*/*", True),
        (STREAM, "application/json", True),
        (STREAM, SSE, True),
        (ASK, SSE, True),
        (ASK, "Text/Event-Stream", True),
        (ASK, f"application/json, {SSE};q=0.9", True),
        (ASK[:-1] + b',"stream":false}', SSE, True),
        (ASK[:-1] + b',"stream":null}', SSE, True),
        (b"{}", SSE, True),
        (b"", SSE, True),
        (ASK, "*/*", False),
        (ASK, "text/*", False),
        (ASK[:-1] + b',"stream":false}', "*/*", False),
        (ASK[:-1] + b',"stream":null}', "*/*", False),
        (ASK[:-1] + b',"other":{"stream":true}}', "*/*", False),
        (ASK[:-1] + b',"events":true,"Stream":true}', "*/*", False),
    ],
    ids=lambda value: repr(value)[-40:],
)
async def test_the_body_or_the_accept_header_asks_for_a_stream(
    stack: Stack, body: bytes, accept: str, *, streams: bool
) -> None:
    reply = await stack.orchestrate(body, accept=accept)
    assert (reply.status, reply.headers["content-type"]) == (200, SSE if streams else "application/json")
    assert [call.method for call in stack.executor.calls] == ["StreamOrchestrate" if streams else "Orchestrate"]
    headers = [("authorization", f"Bearer {KEY}"), ("accept", accept)]
    async with http2.connect(stack.port) as connection:
        assert (await connection.request(1, "POST", "/v2/orchestrate", headers, body)).status == 200
    assert stack.executor.calls[0].method == stack.executor.calls[1].method


async def test_events_arrive_as_the_contract_has_them(stack: Stack) -> None:
    stack.executor.streaming = of_each_type
    reply = await stack.orchestrate(STREAM)
    events = events_of(reply.body)
    assert [list(event) for event in events] == [
        ["type", "seq", "ts_ms", "plan"],
        ["type", "seq", "ts_ms", "stage"],
        ["type", "seq", "ts_ms", "stage"],
        ["type", "seq", "ts_ms", "delta"],
        ["type", "seq", "ts_ms", "result"],
    ]
    assert [(event["type"], event["seq"], event["ts_ms"]) for event in events] == [
        ("plan", 0, 0), ("stage.started", 1, 0.25), ("stage.completed", 2, 0.5), ("answer.delta", 3, 0.75),
        ("result", 4, 1),
    ]  # fmt: skip
    assert events[0]["plan"] == {"policy": "", "strategy": "single", "rationale": "", "models": ["a"]}
    assert events[3]["delta"] == 'é 🦉\n\ndata: "x"\r\n'
    assert reply.headers["cache-control"] == "no-cache"
    assert "content-length" not in reply.headers
    assert not [name for name in reply.headers if name.startswith(("grpc-", "x-envoy-"))]
    assert reply.headers["x-request-id"] == stack.executor.calls[0].metadata["x-request-id"][0]


async def test_a_result_is_the_single_answer_to_the_byte(stack: Stack) -> None:
    async def unary(_request: Any, _context: Context) -> Any:
        return result()

    stack.executor.behaviour = unary
    answer = await stack.orchestrate()
    stack.executor.behaviour, stack.executor.streaming = None, of_each_type
    last = (await stack.orchestrate(STREAM)).body.split(b"\n\n")[-2]
    assert last == b'data: {"type":"result","seq":4,"ts_ms":1,"result":' + answer.body + b"}"


async def test_each_event_arrives_when_it_is_sent(stack: Stack) -> None:
    go_on = asyncio.Event()

    async def step_by_step(_request: Any, _context: Context) -> AsyncIterator[Any]:
        for seq in range(4):
            yield event("answer.delta", seq, delta="x")
            await go_on.wait()
            go_on.clear()
        yield event("result", 4, result=result())

    stack.executor.streaming = step_by_step
    async with reading(stack, accept_encoding="gzip") as response:
        for seq in range(4):
            assert json.loads((await response.content.readuntil(b"\n\n"))[6:])["seq"] == seq
            go_on.set()
        assert json.loads((await response.content.readuntil(b"\n\n"))[6:])["type"] == "result"
        assert await response.content.read() == b""


@pytest.mark.parametrize(
    ("body", "status", "error", "message"),
    [
        (b'{"stream":true', 422, "invalid_request", "body: not valid JSON"),
        (b'{"stream":"yes"}', 422, "invalid_request", "stream: must be true or false"),
        (b'{"stream":"true"}', 422, "invalid_request", "stream: must be true or false"),
        (b'{"stream":"CANARY"}', 422, "invalid_request", "stream: must be true or false"),
        (b'{"stream":1}', 422, "invalid_request", "stream: must be true or false"),
        (b'{"stream":{}}', 422, "invalid_request", "stream: must not be an object"),
        (b'{"stream":true,"k":"x"}', 422, "invalid_request", "k: must be an integer"),
        (b'{"stream":true,"brain_config":' + b"[" * 100 + b"]" * 100 + b"}", 422, "invalid_request",
         "body: nested too deeply"),
        (b'{"stream":true,"x":"' + b"x" * (1 << 20) + b'"}', 413, "payload_too_large", "body: at most 1048576 bytes"),
    ],
    ids=lambda value: repr(value)[:30],
)  # fmt: skip
@pytest.mark.parametrize("accept", ["*/*", SSE])
async def test_a_bad_request_for_a_stream_is_refused_like_any_other(
    stack: Stack, body: bytes, status: int, error: str, message: str, accept: str
) -> None:
    reply = await stack.orchestrate(BytesIO(body), accept=accept)
    assert (reply.status, reply.error, reply.message) == (status, error, message)
    assert stack.untouched


@pytest.mark.parametrize("authorization", ["", "Bearer x", f"Basic {KEY}", f"Bearer {KEY}, Bearer {KEY}"])
async def test_a_stream_needs_a_key_of_the_right_shape(stack: Stack, authorization: str) -> None:
    for accept in ("*/*", SSE):
        reply = await stack.orchestrate(STREAM, accept=accept, authorization=authorization)
        assert (reply.status, reply.error) == (401, "invalid_api_key")
        reply = await stack.request("GET", "/v2/orchestrate", headers={"accept": accept})
        assert (reply.status, reply.error) == (405, "method_not_allowed")
    assert stack.untouched


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


async def test_a_client_that_reads_nothing_holds_the_service_back(stack: Stack) -> None:
    sent, resumed = 0, asyncio.Event()
    piece = "x" * (64 << 10)

    async def flood(_request: Any, _context: Context) -> AsyncIterator[Any]:
        nonlocal sent
        while not resumed.is_set():
            yield event("answer.delta", sent, delta=piece)
            sent += 1
        yield event("result", sent, result=result())

    async def stalled() -> bool:
        before = sent
        await asyncio.sleep(0.2)
        return 0 < before == sent

    stack.executor.streaming = flood
    async with reading(stack) as response:
        await stack.until(stalled)
        assert sent * len(piece) < 32 << 20
        resumed.set()
        body = await response.read()
    events = events_of(body)
    assert [event["seq"] for event in events] == list(range(sent + 1))
    assert events[-1]["type"] == "result"


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


async def test_streams_and_single_answers_share_a_keys_budget(start: Start) -> None:
    async with start(rate_limit_per_minute=4) as stack:
        statuses = [
            (await stack.orchestrate(ASK, accept=SSE)).status,
            (await stack.orchestrate(ASK)).status,
            (await stack.orchestrate(STREAM)).status,
            (await stack.orchestrate(STREAM, accept=SSE)).status,
        ]
        assert statuses == [200] * 4
        for body, accept in ((ASK, SSE), (ASK, "*/*"), (STREAM, "*/*"), (STREAM, SSE)):
            reply: Reply = await stack.orchestrate(body, accept=accept)
            assert (reply.status, reply.error) == (429, "rate_limit_exceeded")
        assert len(stack.executor.calls) == 4


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
