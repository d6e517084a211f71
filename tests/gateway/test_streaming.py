"""The same request as Server-Sent Events: who gets them, how they arrive, and that nothing else changes."""

from __future__ import annotations

import asyncio
import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest

from gateway import http2
from gateway.events import SSE, STREAM, event, events_of, of_each_type, reading, result
from gateway.stack import ASK, KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.fakes import Context
    from gateway.stack import Reply, Stack, Start

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="module")]


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
