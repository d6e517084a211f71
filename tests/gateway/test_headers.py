"""What passes of the headers, in both directions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from chassis.errors import ServiceError
from gateway import http2
from gateway.stack import ASK, KEY
from openprysm.orchestration.v2 import orchestration_pb2

if TYPE_CHECKING:
    from gateway.fakes import Context
    from gateway.stack import Stack

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="module")]

SPOOFED = {
    "x-client-id": "root",
    "x-request-id": "mine",
    "x-internal-user": "root",
    "x-prysm-client": "root",
    "x-forwarded-for": "10.0.0.1",
    "x-forwarded-proto": "https",
    "x-forwarded-client-cert": "By=root",
    "x-envoy-internal": "true",
    "x-envoy-upstream-rq-timeout-ms": "1",
    "x-envoy-retry-on": "5xx",
    "x-envoy-max-retries": "9",
    "x-envoy-decorator-operation": "spoofed",
    "x-envoy-original-path": "/spoofed",
    "x-envoy-force-trace": "1",
    "grpc-timeout": "99S",
    "grpc-encoding": "gzip",
    "grpc-status": "0",
    "grpc-status-details-bin": "AAAA",
    "broken-bin": "!!!",
}
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def test_nobody_can_give_a_header_that_means_something_to_us(stack: Stack) -> None:
    reply = await stack.request("POST", "/v2/orchestrate", ASK, {"authorization": f"Bearer {KEY}", **SPOOFED})
    assert reply.status == 200
    seen = stack.executor.calls[0].metadata
    sent = {(name, value) for name, values in seen.items() for value in values}
    assert not sent & set(SPOOFED.items())
    assert UUID.fullmatch(str(seen["x-request-id"][0]))
    assert not {name for name in seen if name.startswith(("x-internal-", "x-prysm-")) or name.endswith("-bin")}
    assert "x-client-id" not in seen


async def test_the_same_over_http2(stack: Stack) -> None:
    headers = [("authorization", f"Bearer {KEY}"), *SPOOFED.items()]
    async with http2.connect(stack.port) as connection:
        assert (await connection.request(1, "POST", "/v2/orchestrate", headers, ASK)).status == 200
    sent = {(name, value) for name, values in stack.executor.calls[0].metadata.items() for value in values}
    assert not sent & set(SPOOFED.items())


async def test_what_a_client_may_say_arrives(stack: Stack) -> None:
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    await stack.orchestrate(idempotency_key="abc", traceparent=parent, tracestate="a=b", user_agent="client/1")
    seen = stack.executor.calls[0].metadata
    assert seen["idempotency-key"] == ["abc"]
    assert seen["traceparent"] == [parent]
    assert seen["tracestate"] == ["a=b"]


async def test_the_service_is_told_a_little_less_time_than_the_gateway_waits(stack: Stack) -> None:
    await stack.orchestrate(grpc_timeout="1m")
    remaining = stack.executor.calls[0].remaining_s
    assert remaining
    assert 118 < remaining <= 119.5
    await stack.request("GET", "/v1/proof/prysm-0", headers={"grpc-timeout": "99S"})
    remaining = stack.proof.calls[0].remaining_s
    assert remaining
    assert 8 < remaining <= 9.5


async def test_every_response_names_its_request_and_hides_what_is_behind(stack: Stack) -> None:
    async def answer(_request: Any, context: Context) -> Any:
        await context.send_initial_metadata((("x-internal-host", "a"), ("x-prysm-key", "b"), ("x-envoy-a", "c")))
        context.set_trailing_metadata((("x-internal-trailer", "d"), ("grpc-trailer", "e")))
        return orchestration_pb2.OrchestrateResponse(id="prysm-0")

    stack.executor.behaviour = answer
    replies = [await stack.orchestrate(), await stack.request("GET", "/v1/proof/prysm-0")]
    stack.executor.raises(ServiceError(grpc.StatusCode.UNAVAILABLE, "overloaded", "full"))
    replies += [
        await stack.orchestrate(),
        await stack.orchestrate(b"{"),
        await stack.request("GET", "/healthz"),
        await stack.request("GET", "/nope"),
        await stack.request("POST", "/v2/orchestrate", ASK),
    ]
    known = {
        *("content-type", "content-length", "date", "server", "connection"),
        *("x-request-id", "retry-after", "www-authenticate"),
    }
    for reply in replies:
        assert reply.headers["server"] == "openprysm"
        assert UUID.fullmatch(reply.headers["x-request-id"])
        assert set(reply.headers) <= known
    assert len({reply.headers["x-request-id"] for reply in replies}) == len(replies)
    assert replies[0].headers["x-request-id"] == stack.executor.calls[0].metadata["x-request-id"][0]


@pytest.mark.parametrize("path", ["/nope", "/a%2fb", "/healthz"])
@pytest.mark.parametrize("spoofed", ["mine", 'a","error":"pwned', '","request_id":"b"', "a" * 300])
async def test_a_clients_request_id_is_never_repeated(stack: Stack, path: str, spoofed: str) -> None:
    for content_type in ("application/json", "application/grpc"):
        reply = await stack.request("POST", path, b"", {"x-request-id": spoofed, "content-type": content_type})
        assert reply.error in ("not_found", "method_not_allowed")
        assert spoofed not in str(reply)


async def test_the_access_log_tells_what_happened_and_no_secret(stack: Stack) -> None:
    reply = await stack.orchestrate(path="/v2/orchestrate?token=CANARY", traceparent="CANARY")
    line = await stack.logged(reply)
    assert line | {"timestamp": "", "duration_ms": 0} == {
        "timestamp": "",
        "service": "gateway",
        "event": "request",
        "method": "POST",
        "path": "/v2/orchestrate",
        "status": 200,
        "duration_ms": 0,
        "request_id": reply.headers["x-request-id"],
        "trace_id": None,
        "flags": "-",
        "details": "via_upstream",
        "upstream": "executor",
    }
    refused = await stack.logged(await stack.request("GET", "/nope?token=CANARY", headers={"authorization": KEY}))
    assert (refused["status"], refused["path"]) == (404, "/nope")
    assert "CANARY" not in str(stack.log)
    assert "prysm_sk" not in str(stack.log)
