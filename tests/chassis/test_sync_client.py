"""The contract from synchronous code: the generated stubs work on a blocking channel, too."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc
import grpc_testing
import pytest

from chassis.errors import ServiceError, from_rpc, trailing_metadata
from openprysm.planner.v1 import planner_pb2, planner_pb2_grpc

from .service import PATIENCE_S

if TYPE_CHECKING:
    from .service import Service

_SERVICE = planner_pb2.DESCRIPTOR.services_by_name["PlannerService"]
_PLAN = _SERVICE.methods_by_name["Plan"]
_REQUEST = planner_pb2.PlanRequest(policy="depth", k=3)


def plan(channel: Any) -> planner_pb2.PlanResponse:
    # mypy-protobuf was told to type the stubs for asyncio alone; at run time they take either channel.
    answer: Any = planner_pb2_grpc.PlannerServiceStub(channel).Plan(_REQUEST, timeout=PATIENCE_S)
    response: planner_pb2.PlanResponse = answer
    return response


def test_a_stub_sends_the_request_and_returns_the_answer() -> None:
    channel = grpc_testing.channel([_SERVICE], grpc_testing.strict_real_time())
    expected = planner_pb2.PlanResponse(plan=planner_pb2.Plan(strategy="ensemble_moa"))
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(plan, channel)
        _, request, rpc = channel.take_unary_unary(_PLAN)
        assert request == _REQUEST
        rpc.send_initial_metadata(())
        rpc.terminate(expected, (), grpc.StatusCode.OK, "")
        assert answer.result(PATIENCE_S) == expected


def test_a_blocking_caller_reads_the_same_typed_error() -> None:
    channel = grpc_testing.channel([_SERVICE], grpc_testing.strict_real_time())
    error = ServiceError(grpc.StatusCode.UNAVAILABLE, "overloaded", "come back", 3)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(plan, channel)
        _, _, rpc = channel.take_unary_unary(_PLAN)
        rpc.send_initial_metadata(())
        rpc.terminate(None, trailing_metadata(error), error.code, error.message)
        raised: Any = answer.exception(PATIENCE_S)
    assert isinstance(raised, grpc.RpcError)
    got = from_rpc(raised)  # type: ignore[arg-type] # it has what is asked of it
    assert (got.code, got.reason, got.message, got.retry_after_s) == (error.code, "overloaded", "come back", 3)


async def test_a_blocking_client_is_answered_by_a_real_server(service: Service) -> None:
    def ask() -> planner_pb2.PlanResponse:
        with grpc.insecure_channel(service.address) as channel:
            return plan(channel)

    assert (await asyncio.to_thread(ask)).plan.policy == "depth"


async def test_a_blocking_client_is_told_why_it_was_refused(service: Service) -> None:
    async def answer(_request: planner_pb2.PlanRequest) -> planner_pb2.PlanResponse:
        raise ServiceError(grpc.StatusCode.INVALID_ARGUMENT, "invalid_request", "k: must be 1..8")

    def ask() -> planner_pb2.PlanResponse:
        with grpc.insecure_channel(service.address) as channel:
            return plan(channel)

    service.answer = answer
    with pytest.raises(grpc.RpcError) as caught:
        await asyncio.to_thread(ask)
    raised: Any = caught.value
    assert from_rpc(raised).reason == "invalid_request"
