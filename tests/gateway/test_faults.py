"""A service dies, hangs, breaks off or is not there: what the client gets, and how soon all is well again."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from chassis.errors import ServiceError
from gateway.stack import soon
from openprysm.orchestration.v2 import orchestration_pb2

if TYPE_CHECKING:
    from gateway.fakes import Context
    from gateway.stack import Reply, Stack, Start

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="module")]

SETTINGS = {"request_timeout_s": 1.0}
UNREACHABLE = "the service is not reachable right now; retry"


async def _recovers(stack: Stack) -> None:
    async def answers() -> bool:
        return (await stack.orchestrate()).status == 200

    await stack.until(answers)


def _is_unreachable(reply: Reply) -> None:
    assert (reply.status, reply.error, reply.message) == (503, "overloaded", UNREACHABLE)
    assert reply.headers["retry-after"] == "1"


async def test_a_service_that_dies_while_it_works_is_an_orchestration_error_and_not_asked_again(stack: Stack) -> None:
    async def die(_request: Any, _context: Context) -> Any:
        await stack.executor.disconnect()
        await asyncio.Event().wait()

    stack.executor.behaviour = die
    reply = await stack.orchestrate()
    assert (reply.status, reply.error) == (502, "orchestration_error")
    assert len(stack.executor.calls) == 1
    _is_unreachable(await stack.orchestrate())
    stack.executor.reset()
    await stack.executor.connect()
    await _recovers(stack)


async def test_a_service_that_comes_back_is_used_within_a_second(stack: Stack) -> None:
    await stack.executor.disconnect()

    async def unhealthy() -> bool:
        return not await stack.healthy()

    await stack.until(unhealthy)
    _is_unreachable(await stack.orchestrate())
    await stack.executor.connect()
    back = time.monotonic()
    await _recovers(stack)
    assert time.monotonic() - back < 1.2


async def test_a_service_that_starts_after_the_gateway_is_used_within_a_second(start: Start) -> None:
    async with start(late=True) as stack:
        up = time.monotonic()
        await _recovers(stack)
        assert time.monotonic() - up < 1.2


async def test_the_death_of_one_service_does_not_touch_the_other(stack: Stack) -> None:
    await stack.proof.disconnect()
    _is_unreachable(await stack.request("GET", "/v1/proof/prysm-0"))
    assert (await stack.orchestrate()).status == 200
    await stack.proof.connect()
    await stack.until(stack.healthy)


async def test_a_service_that_says_not_serving_gets_nothing(stack: Stack) -> None:
    await stack.executor.checks.set("", health_pb2.HealthCheckResponse.NOT_SERVING)

    async def unhealthy() -> bool:
        return not await stack.healthy()

    await stack.until(unhealthy)
    stack.executor.reset()
    _is_unreachable(await stack.orchestrate())
    assert stack.untouched
    await stack.executor.checks.set("", health_pb2.HealthCheckResponse.SERVING)
    await stack.until(stack.healthy)


async def test_a_service_that_is_too_slow_reports_its_deadline_itself(stack: Stack) -> None:
    async def slow(_request: Any, context: Context) -> Any:
        remaining = context.time_remaining()
        assert remaining
        await asyncio.sleep(remaining - 0.05)
        raise ServiceError(grpc.StatusCode.DEADLINE_EXCEEDED, "deadline_exceeded", "of 7 models 3 had answered")

    stack.executor.behaviour = slow
    reply = await stack.orchestrate()
    assert (reply.status, reply.error, reply.message) == (504, "deadline_exceeded", "of 7 models 3 had answered")


async def test_a_service_that_forgets_its_deadline_is_cancelled(stack: Stack) -> None:
    cancelled = asyncio.Event()

    async def forget(_request: Any, _context: Context) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    stack.executor.behaviour = forget
    reply = await stack.orchestrate()
    assert (reply.status, reply.error, reply.message) == (504, "deadline_exceeded", "the request's deadline passed")
    await soon(cancelled)


async def test_a_service_that_hangs_is_given_up_at_the_deadline(stack: Stack) -> None:
    stack.executor.freeze()
    begun = time.monotonic()
    reply = await stack.orchestrate()
    assert (reply.status, reply.error, reply.message) == (504, "deadline_exceeded", "the request's deadline passed")
    assert 0.9 < time.monotonic() - begun < 2
    stack.executor.thaw()
    await _recovers(stack)


async def test_a_client_that_leaves_cancels_the_work(stack: Stack) -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def work(_request: Any, _context: Context) -> Any:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    stack.executor.behaviour = work
    client = asyncio.create_task(stack.orchestrate())
    await soon(started)
    client.cancel()
    await asyncio.wait_for(cancelled.wait(), 0.5)

    async def logged() -> bool:
        request_ids = stack.executor.calls[0].metadata["x-request-id"]
        return any(line["flags"] == "DC" and line["request_id"] in request_ids for line in stack.log)

    await stack.until(logged)


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN])
async def test_a_failure_that_a_service_reports_is_neither_retried_nor_held_against_it(
    stack: Stack, code: grpc.StatusCode
) -> None:
    stack.executor.raises(ServiceError(code, "all_models_failed", "all of them"))
    for _ in range(20):
        assert (await stack.orchestrate()).status == 502
    assert len(stack.executor.calls) == 20
    stack.executor.reset()
    assert (await stack.orchestrate()).status == 200
    assert await stack.healthy()


async def test_hundreds_of_requests_run_at_the_same_time(stack: Stack) -> None:
    count, full = 0, asyncio.Event()

    async def wait_for_all(_request: Any, _context: Context) -> Any:
        nonlocal count
        count += 1
        if count == 300:
            full.set()
        await full.wait()
        return orchestration_pb2.OrchestrateResponse()

    stack.executor.behaviour = wait_for_all
    replies = await asyncio.gather(*(stack.orchestrate() for _ in range(300)))
    assert {reply.status for reply in replies} == {200}
