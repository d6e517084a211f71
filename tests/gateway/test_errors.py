"""Every error has one shape, whoever fails and however."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from chassis.errors import ServiceError, internal, to_status
from openprysm.orchestration.v2 import orchestration_pb2

if TYPE_CHECKING:
    from gateway.fakes import Context
    from gateway.stack import Stack

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="module")]

CANARY = "/home/someone/secret.py: provider said sk-live-1234"
CODE = grpc.StatusCode


@pytest.mark.parametrize(
    ("code", "reason", "status"),
    [
        (CODE.INVALID_ARGUMENT, "no_messages", 400),
        (CODE.UNAUTHENTICATED, "invalid_api_key", 401),
        (CODE.NOT_FOUND, "not_found", 404),
        (CODE.NOT_FOUND, "proof_not_found", 404),
        (CODE.UNIMPLEMENTED, "method_not_allowed", 405),
        (CODE.ALREADY_EXISTS, "idempotency_conflict", 409),
        (CODE.ABORTED, "idempotency_in_progress", 409),
        (CODE.RESOURCE_EXHAUSTED, "payload_too_large", 413),
        (CODE.INVALID_ARGUMENT, "invalid_request", 422),
        (CODE.FAILED_PRECONDITION, "no_compliant_model", 422),
        (CODE.RESOURCE_EXHAUSTED, "rate_limit_exceeded", 429),
        (CODE.UNAVAILABLE, "all_models_failed", 502),
        (CODE.INTERNAL, "orchestration_error", 502),
        (CODE.UNAVAILABLE, "no_provider_available", 503),
        (CODE.UNAVAILABLE, "overloaded", 503),
        (CODE.DEADLINE_EXCEEDED, "deadline_exceeded", 504),
    ],
)
async def test_a_services_error_keeps_its_reason_and_gets_the_contracts_status(
    stack: Stack, code: grpc.StatusCode, reason: str, status: int
) -> None:
    stack.executor.raises(ServiceError(code, reason, f"words of {reason}"))
    reply = await stack.orchestrate()
    assert (reply.status, reply.error, reply.message) == (status, reason, f"words of {reason}")
    assert reply.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)
    wait = reason in ("rate_limit_exceeded", "overloaded", "idempotency_in_progress")
    assert reply.headers.get("retry-after") == ("1" if wait else None)


async def test_the_seconds_to_wait_are_those_of_the_service(stack: Stack) -> None:
    stack.executor.raises(ServiceError(CODE.UNAVAILABLE, "overloaded", "queue full", retry_after_s=7))
    assert (await stack.orchestrate()).headers["retry-after"] == "7"


async def test_an_error_of_the_proof_service_has_the_same_shape(stack: Stack) -> None:
    stack.proof.raises(ServiceError(CODE.NOT_FOUND, "proof_not_found", "no such proof"))
    reply = await stack.request("GET", "/v1/proof/prysm-0")
    assert (reply.status, reply.error) == (404, "proof_not_found")


@pytest.mark.parametrize(
    "message",
    [
        'quotes " and \\ and \n',
        '","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"no_messages","domain":"openprysm"',
        '","request_id":"forged"}}',
        "é 🦉 \u2028 </script> \x00 \x7f",
        "x" * 6000,
    ],
)
async def test_any_message_arrives_as_it_is_and_passes_for_nothing_else(stack: Stack, message: str) -> None:
    stack.executor.raises(ServiceError(CODE.INVALID_ARGUMENT, "invalid_request", message))
    reply = await stack.orchestrate()
    assert (reply.status, reply.error, reply.message) == (422, "invalid_request", message)


async def test_an_error_after_the_responses_first_byte_is_an_error_all_the_same(stack: Stack) -> None:
    async def late(_request: Any, context: Context) -> Any:
        await context.send_initial_metadata((("x-internal-host", "a"), ("grpc-trace", "b")))
        raise ServiceError(CODE.UNAVAILABLE, "all_models_failed", "all of them")

    stack.executor.behaviour = late
    reply = await stack.orchestrate()
    assert (reply.status, reply.error) == (502, "all_models_failed")
    assert not [name for name in reply.headers if name.startswith(("x-internal", "grpc-", "x-envoy"))]


def _status(domain: str, reason: str) -> status_pb2.Status:
    status = status_pb2.Status(code=3, message=CANARY)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain=domain))
    return status


@pytest.mark.parametrize(
    ("code", "details", "status", "error"),
    [
        (CODE.INVALID_ARGUMENT, b"", 502, "orchestration_error"),
        (CODE.UNKNOWN, b"", 502, "orchestration_error"),
        (CODE.CANCELLED, b"", 503, "overloaded"),
        (CODE.UNAUTHENTICATED, b"", 502, "orchestration_error"),
        (CODE.RESOURCE_EXHAUSTED, b"", 503, "overloaded"),
        (CODE.UNAVAILABLE, b"", 503, "overloaded"),
        (CODE.DEADLINE_EXCEEDED, b"", 504, "deadline_exceeded"),
        (CODE.UNIMPLEMENTED, b"", 404, "not_found"),
        (CODE.INVALID_ARGUMENT, b"\xff\xff\xff", 502, "orchestration_error"),
        (
            CODE.INVALID_ARGUMENT,
            _status("example.com", "invalid_request").SerializeToString(),
            502,
            "orchestration_error",
        ),
        (CODE.INVALID_ARGUMENT, _status("openprysm", "made_up").SerializeToString(), 502, "orchestration_error"),
    ],
)
async def test_an_error_that_is_not_the_suites_own_loses_its_text(
    stack: Stack, code: grpc.StatusCode, details: bytes, status: int, error: str
) -> None:
    async def abort(_request: Any, context: Context) -> Any:
        await context.abort(code, CANARY, (("grpc-status-details-bin", details),) if details else ())

    stack.executor.behaviour = abort
    reply = await stack.orchestrate()
    assert (reply.status, reply.error) == (status, error)
    assert "secret" not in str(reply)
    assert "sk-live" not in str(reply)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_an_exception_never_shows_its_text(stack: Stack) -> None:
    stack.executor.raises(ValueError(CANARY))
    reply = await stack.orchestrate()
    assert (reply.status, reply.error, reply.message) == (502, "orchestration_error", "internal error")


async def test_an_unknown_detail_hides_the_whole_error(stack: Stack) -> None:
    status = to_status(internal(CANARY))
    status.details.add(type_url="type.googleapis.com/unknown.Type", value=b"?")

    async def abort(_request: Any, context: Context) -> Any:
        await context.abort(CODE.INTERNAL, CANARY, (("grpc-status-details-bin", status.SerializeToString()),))

    stack.executor.behaviour = abort
    reply = await stack.orchestrate()
    assert (reply.status, reply.error, reply.message) == (502, "orchestration_error", "internal error")


async def test_a_response_beyond_the_limit_is_an_error_and_one_below_passes(stack: Stack) -> None:
    sizes = iter((7 << 20, 9 << 20))

    async def big(_request: Any, _context: Context) -> Any:
        return orchestration_pb2.OrchestrateResponse(rationale="x" * next(sizes))

    stack.executor.behaviour = big
    reply = await stack.orchestrate()
    assert (reply.status, len(reply.json["rationale"])) == (200, 7 << 20)
    reply = await stack.orchestrate()
    assert (reply.status, reply.error) == (502, "orchestration_error")


async def test_a_body_over_the_limit_is_refused_and_one_at_the_limit_passes(stack: Stack) -> None:
    frame = b'{"messages":[{"role":"user","content":"%s"}]}'
    whole = frame % (b"x" * ((1 << 20) - len(frame) + 2))
    assert len(whole) == 1 << 20
    assert (await stack.orchestrate(BytesIO(whole))).status == 200
    assert len(stack.executor.calls) == 1
    reply = await stack.orchestrate(BytesIO(whole + b" "))
    assert (reply.status, reply.error, reply.message) == (413, "payload_too_large", "body: at most 1048576 bytes")

    async def chunks() -> Any:
        yield whole
        yield b" "

    reply = await stack.orchestrate(chunks())
    assert (reply.status, reply.error) == (413, "payload_too_large")
    assert len(stack.executor.calls) == 1


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [(method, "/v2/orchestrate", "POST") for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "HEAD")]
    + [(method, "/v1/proof/prysm-0", "GET") for method in ("POST", "PUT", "DELETE", "OPTIONS", "HEAD")]
    + [(method, "/v1/proof/verify", "POST") for method in ("GET", "PUT", "DELETE", "HEAD")]
    + [(method, path, "GET") for method in ("POST", "HEAD") for path in ("/checkpoint", "/tile/0/000", "/log.vkey")]
    + [(method, "/healthz", "GET, HEAD") for method in ("POST", "PUT", "DELETE")],
)
async def test_another_method_of_a_known_path_is_not_allowed(stack: Stack, method: str, path: str, allow: str) -> None:
    reply = await stack.request(method, path)
    assert (reply.status, reply.headers["allow"]) == (405, allow)
    assert reply.body == b"" if method == "HEAD" else reply.error == "method_not_allowed"
    assert stack.untouched


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v2",
        "/v2/orchestrate/",
        "/V2/orchestrate",
        "/v1/proof",
        "/v1/proof/",
        "/v1/proof/a/b",
        "/v1/proof/verify/a",
        "/checkpoint/",
        "/tile/",
        "/tile/0/000:b",
        "/.well-known/",
        "/.well-known/security.txt",
        "/v1/consistency/1",
        "/v1/consistency/-1/2",
        "/metrics",
        "/a%2Fb",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
async def test_any_other_path_is_not_found(stack: Stack, method: str, path: str) -> None:
    reply = await stack.request(method, path)
    assert reply.status == 404
    assert reply.body == b"" if method == "HEAD" else reply.error == "not_found"
    assert stack.untouched


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a b\r\n\r\n", 400),
        (b"FOO / HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: a\x01b\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\n\r\n", 426),
        (b"GET / HTTP/1.1\r\nhost: a\r\n" + b"x: y\r\n" * 100 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 40_000 + b"\r\n\r\n", 431),
        (b"POST /v2/orchestrate HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n", 400),
    ],
)
async def test_what_is_no_http_request_gets_the_same_shape(stack: Stack, data: bytes, status: int) -> None:
    reply = await stack.raw(data)
    assert (reply.status, reply.error) == (status, "invalid_request")


async def test_connect_is_not_served(stack: Stack) -> None:
    reply = await stack.raw(b"CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n")
    assert (reply.status, reply.error) == (404, "not_found")
