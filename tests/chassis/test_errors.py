"""A failure crosses RPC as itself, or as nothing that could be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from structlog.testing import capture_logs

from chassis import client
from chassis.errors import DOMAIN, ServiceError, from_rpc, trailing_metadata
from openprysm.executor.v1 import executor_pb2, executor_pb2_grpc
from openprysm.planner.v1 import planner_pb2, planner_pb2_grpc

from .service import CANARY, PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .service import Answer, Service

_CODES = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]


def raising(error: Exception) -> Answer:
    async def answer(_request: planner_pb2.PlanRequest) -> planner_pb2.PlanResponse:
        raise error

    return answer


async def call(service: Service) -> planner_pb2.PlanResponse:
    stub = planner_pb2_grpc.PlannerServiceStub(service.channel)
    return await client.call(stub.Plan, planner_pb2.PlanRequest(), PATIENCE_S)


async def failure(service: Service) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        await call(service)
    return caught.value


@pytest.mark.parametrize("code", _CODES, ids=lambda code: code.name)
async def test_a_service_error_arrives_as_itself(service: Service, code: grpc.StatusCode) -> None:
    service.answer = raising(ServiceError(code, "some_reason", "what to do", 7))
    got = await failure(service)
    assert (got.code, got.reason, got.message, got.retry_after_s) == (code, "some_reason", "what to do", 7)


@pytest.mark.parametrize("message", ["", " a ", "a\nb\r\n", "\x00", "é😀", "%41%zz", "a" * 2_000], ids=ascii)
async def test_any_message_arrives_as_it_was_said(service: Service, message: str) -> None:
    service.answer = raising(ServiceError(grpc.StatusCode.ABORTED, "some_reason", message))
    assert (await failure(service)).message == message


@pytest.mark.parametrize(("given", "received"), [(None, None), (0.0, 1), (0.4, 1), (2.6, 3)])
async def test_a_retry_is_told_in_whole_seconds_and_never_at_once(
    service: Service, given: float | None, received: float | None
) -> None:
    service.answer = raising(ServiceError(grpc.StatusCode.RESOURCE_EXHAUSTED, "overloaded", "", given))
    assert (await failure(service)).retry_after_s == received


async def test_an_error_that_is_an_answer_is_not_asked_for_again(service: Service) -> None:
    asked = []

    async def answer(_request: planner_pb2.PlanRequest) -> planner_pb2.PlanResponse:
        asked.append(1)
        raise ServiceError(grpc.StatusCode.UNAVAILABLE, "no_provider_available", "none")

    service.answer = answer
    assert (await failure(service)).reason == "no_provider_available"
    assert len(asked) == 1


@pytest.mark.parametrize("error", [ValueError(CANARY), KeyError(CANARY), ExceptionGroup(CANARY, [OSError(CANARY)])])
async def test_an_exception_becomes_internal_without_its_text(service: Service, error: Exception) -> None:
    service.answer = raising(error)
    with capture_logs() as logs, pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.plan()
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert CANARY not in f"{caught.value} {caught.value.trailing_metadata()}"
    assert CANARY not in "".join(span.to_json() for span in service.spans.get_finished_spans())
    assert [line["event"] for line in logs] == ["unexpected_exception", "rpc"]
    got = from_rpc(caught.value)
    assert (got.code, got.reason) == (grpc.StatusCode.INTERNAL, "orchestration_error")


async def test_a_peers_error_passes_through_as_itself(service: Service) -> None:
    """As in the executor, when the planner refuses."""
    inner = grpc.aio.AioRpcError(
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.aio.Metadata(),
        grpc.aio.Metadata(*trailing_metadata(ServiceError(grpc.StatusCode.INVALID_ARGUMENT, "no_messages", "m"))),
        details="m",
    )
    service.answer = raising(inner)
    assert (await failure(service)).reason == "no_messages"


async def test_what_is_not_implemented_says_so(service: Service) -> None:
    service.answer = raising(NotImplementedError(CANARY))
    got = await failure(service)
    assert (got.code, got.reason) == (grpc.StatusCode.UNIMPLEMENTED, "not_found")
    assert CANARY not in got.message


@pytest.mark.parametrize("raw", [b"\xff", b"\x0a\x05ab", b"\x0a\x04\x12\x02\xc3\x28", b"\x0b" * 200], ids=repr)
async def test_a_request_that_is_none_is_an_invalid_request(service: Service, raw: bytes) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.raw(raw)
    got = from_rpc(caught.value)
    assert (got.code, got.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "invalid_request")


async def test_a_stream_ends_with_the_error_after_what_it_sent(service: Service) -> None:
    async def stream() -> AsyncIterator[executor_pb2.ExecuteResponse]:
        yield executor_pb2.ExecuteResponse()
        raise ServiceError(grpc.StatusCode.UNAVAILABLE, "all_models_failed", "every one")

    service.stream = stream
    running = executor_pb2_grpc.ExecutorServiceStub(service.channel).Execute(executor_pb2.ExecuteRequest())
    assert await running.read() == executor_pb2.ExecuteResponse()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running.read()
    assert from_rpc(caught.value).reason == "all_models_failed"


async def test_a_missed_deadline_and_a_dead_peer_are_told_apart(service: Service) -> None:
    async def answer(_request: planner_pb2.PlanRequest) -> planner_pb2.PlanResponse:
        raise TimeoutError

    service.answer = answer
    stub = planner_pb2_grpc.PlannerServiceStub(service.channel)
    with pytest.raises(ServiceError) as caught:
        await client.call(stub.Plan, planner_pb2.PlanRequest(), 0.0)
    assert caught.value.reason == "deadline_exceeded"
    async with grpc.aio.insecure_channel(f"{service.address}.gone") as nobody:
        with pytest.raises(ServiceError) as caught:
            await client.call(planner_pb2_grpc.PlannerServiceStub(nobody).Plan, planner_pb2.PlanRequest(), PATIENCE_S)
    assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.INTERNAL, "orchestration_error")


def _packed(reason: str, domain: str = DOMAIN, **metadata: str) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata=metadata))
    return packed


_OTHERS = {
    "no details": None,
    "bytes that are no status": b"\xff\xff",
    "a status of another code": status_pb2.Status(code=5, message=CANARY, details=[_packed(CANARY)]),
    "a status of another message": status_pb2.Status(code=9, message="other", details=[_packed(CANARY)]),
    "details of another domain": status_pb2.Status(code=9, message=CANARY, details=[_packed(CANARY, "googleapis.com")]),
    "details that are broken": status_pb2.Status(
        code=9,
        message=CANARY,
        details=[any_pb2.Any(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff")],
    ),
    "a wait that is no number": status_pb2.Status(code=9, message=CANARY, details=[_packed("r", retry_after_s="soon")]),
}


@pytest.mark.parametrize("details", _OTHERS.values(), ids=_OTHERS.keys())
def test_an_error_that_is_not_ours_is_internal_without_its_text(details: bytes | status_pb2.Status | None) -> None:
    raw = details.SerializeToString() if isinstance(details, status_pb2.Status) else details
    trailers = () if raw is None else (("grpc-status-details-bin", raw),)
    error = grpc.aio.AioRpcError(
        grpc.StatusCode.FAILED_PRECONDITION, grpc.aio.Metadata(), grpc.aio.Metadata(*trailers), details=CANARY
    )
    got = from_rpc(error)
    assert (got.code, got.reason) == (grpc.StatusCode.INTERNAL, "orchestration_error")
    assert CANARY not in f"{got} {got.message}"
