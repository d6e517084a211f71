"""Who asks too often, too slowly, too much at once or in a broken way is stopped, and nobody else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from gateway import http2
from gateway.stack import ASK, KEY, PATIENCE_S, soon
from openprysm.orchestration.v2 import orchestration_pb2

if TYPE_CHECKING:
    from gateway.fakes import Context
    from gateway.stack import Stack, Start

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="module")]

SETTINGS = {"rate_limit_per_minute": 3, "public_rate_limit_per_minute": 5}
OTHER = f"Bearer prysm_sk_another0_{'t' * 43}"


async def test_a_key_that_asks_too_often_is_told_when_to_come_back_and_others_are_served(stack: Stack) -> None:
    for _ in range(3):
        assert (await stack.orchestrate()).status == 200
    spellings = [f"Bearer {KEY}", f"bearer {KEY}", f"BEARER   {KEY}"]
    for value in spellings:
        reply = await stack.orchestrate(authorization=value)
        assert (reply.status, reply.error) == (429, "rate_limit_exceeded")
        assert 1 <= int(reply.headers["retry-after"]) <= 60
    assert len(stack.executor.calls) == 3
    assert (await stack.orchestrate(authorization=OTHER)).status == 200


async def test_a_stranger_uses_up_nobodys_share(stack: Stack) -> None:
    key = f"Bearer prysm_sk_thirdkey_{'u' * 43}"
    for _ in range(10):
        assert (await stack.request("POST", "/v2/orchestrate", ASK, {"authorization": f"{key}!"})).status == 401
        assert (await stack.request("GET", "/v2/orchestrate", None, {"authorization": key})).status == 405
    for _ in range(3):
        assert (await stack.orchestrate(authorization=key)).status == 200


async def test_public_paths_are_limited_by_address(stack: Stack) -> None:
    for number in range(5):
        spoofed = {"x-forwarded-for": f"10.0.0.{number}"}
        assert (await stack.request("GET", "/v1/proof/prysm-0", headers=spoofed)).status == 200
    reply = await stack.request("GET", "/v1/proof/prysm-0", headers={"x-forwarded-for": "10.0.1.1"})
    assert (reply.status, reply.error) == (429, "rate_limit_exceeded")
    assert 1 <= int(reply.headers["retry-after"]) <= 60
    assert (await stack.request("GET", "/healthz")).status == 200


async def test_all_keys_together_have_a_limit_too(start: Start) -> None:
    async with start(global_rate_limit_per_minute=4) as stack:
        for number in range(4):
            key = f"Bearer prysm_sk_number0{number}_{'s' * 43}"
            assert (await stack.orchestrate(authorization=key)).status == 200
        reply = await stack.orchestrate()
        assert (reply.status, reply.error) == (429, "rate_limit_exceeded")


async def test_a_body_that_does_not_arrive_is_given_up(start: Start) -> None:
    async with start(lambda text: text.replace("request_timeout: 30s", "request_timeout: 0.3s")) as stack:
        head = (
            f"POST /v2/orchestrate HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {KEY}\r\ncontent-length: 50\r\n\r\n{{"
        )
        reply = await stack.raw(head.encode())
        assert (reply.status, reply.error) == (408, "invalid_request")
        assert stack.untouched


async def test_headers_that_do_not_arrive_are_given_up(start: Start) -> None:
    async with start(
        lambda text: text.replace("request_headers_timeout: 10s", "request_headers_timeout: 0.3s")
    ) as stack:
        reply = await stack.raw(b"GET /healthz HTTP/1.1\r\nhost: a\r\nx: ")
        assert (reply.status, reply.error) == (408, "invalid_request")


async def _closes(reader: asyncio.StreamReader) -> bool:
    """Read until the other side closes the connection."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while await reader.read(1 << 16):
                pass
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    return True


async def test_connections_beyond_the_limit_are_closed(start: Start) -> None:
    def patch(text: str) -> str:
        return text.replace("max_active_downstream_connections: 10000", "max_active_downstream_connections: 3")

    async with start(patch) as stack:
        open_ones = [await asyncio.open_connection("127.0.0.1", stack.port) for _ in range(3)]
        for reader, writer in open_ones:
            writer.write(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
            assert (await reader.readline()).split()[1] == b"200"
        reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
        assert await _closes(reader)
        for _, other in [*open_ones, (reader, writer)]:
            other.transport.abort()


async def test_a_full_heap_refuses_requests_in_the_same_shape(start: Start) -> None:
    def patch(text: str) -> str:
        return text.replace("max_heap_size_bytes: 1073741824", "max_heap_size_bytes: 1000000")

    async with start(patch) as stack:

        async def overloaded() -> bool:
            return await stack.stat("overload.envoy.overload_actions.stop_accepting_requests.active") == 1

        await stack.until(overloaded)
        reply = await stack.request("GET", "/nope", headers={"x-request-id": "mine"})
        assert (reply.status, reply.error, reply.headers["retry-after"]) == (503, "overloaded", "1")
        assert (await stack.logged(reply))["details"] == "overload"


async def test_more_than_a_service_may_have_at_once_are_told_to_come_back(start: Start) -> None:
    async with start(lambda text: text.replace("max_requests: 16384", "max_requests: 1")) as stack:
        started, release = asyncio.Event(), asyncio.Event()

        async def wait(_request: Any, _context: Context) -> Any:
            started.set()
            await release.wait()
            return orchestration_pb2.OrchestrateResponse()

        stack.executor.behaviour = wait
        first = asyncio.create_task(stack.orchestrate())
        await soon(started)
        reply = await stack.orchestrate()
        assert (reply.status, reply.error, reply.headers["retry-after"]) == (503, "overloaded", "1")
        release.set()
        assert (await first).status == 200


async def test_a_connection_that_resets_its_streams_at_once_is_closed(stack: Stack) -> None:
    fields = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/v2/orchestrate")]
    head = http2.block([*fields, ("authorization", OTHER)])
    async with http2.connect(stack.port) as connection:
        for stream in range(1, 1001, 2):
            connection.writer.write(
                http2.frame(http2.HEADERS, http2.END_HEADERS, stream, head)
                + http2.frame(http2.RST_STREAM, 0, stream, (8).to_bytes(4, "big"))
            )
        assert await _closes(connection.reader)
    assert (await stack.request("GET", "/healthz")).status == 200


async def test_a_connection_has_a_limit_of_streams(stack: Stack) -> None:
    async with http2.connect(stack.port) as connection:
        while True:
            kind, flags, _, payload = await connection.read()
            if kind == http2.SETTINGS and not flags & http2.ACK:
                break
    settings = {payload[at + 1]: int.from_bytes(payload[at + 2 : at + 6], "big") for at in range(0, len(payload), 6)}
    assert settings[3] == 128


async def test_too_many_headers_over_http2_reset_the_stream_alone(stack: Stack) -> None:
    async with http2.connect(stack.port) as connection:
        with pytest.raises(ConnectionResetError):
            await connection.request(1, "GET", "/healthz", [("x", "y")] * 200)
    async with http2.connect(stack.port) as connection:
        assert (await connection.request(1, "GET", "/healthz", [])).status == 200
