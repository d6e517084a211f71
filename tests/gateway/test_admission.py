"""When the executor refuses what it can't begin, the gateway refuses ahead of it, and nothing else counts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import pytest

from chassis.errors import ServiceError
from gateway.stack import ASK, KEY

if TYPE_CHECKING:
    from gateway.stack import Reply, Stack, Start

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="module")]

CODE = grpc.StatusCode
TOO_MUCH = "the service has too much to do right now; retry"
FULL = ServiceError(CODE.RESOURCE_EXHAUSTED, "overloaded", TOO_MUCH, 1)
#: What gRPC itself says when its queue is full.
CORE = ServiceError(CODE.CANCELLED, "", "")
MANY = 400


async def ask_many(stack: Stack, **headers: str) -> list[Reply]:
    """Ask four hundred times, twenty at a time."""
    replies: list[Reply] = []
    while len(replies) < MANY:
        replies += await asyncio.gather(*(stack.orchestrate(**headers) for _ in range(20)))
    return replies


async def shed(stack: Stack) -> int:
    return await stack.stat("http.rest.admission_control.rq_rejected")


@pytest.mark.parametrize("refusal", [FULL, CORE], ids=["ours", "gRPC's"])
@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_most_are_refused_ahead_of_an_executor_that_refuses_and_all_alike(
    start: Start, refusal: ServiceError, accept: str
) -> None:
    async with start(rate_limit_per_minute=1_000_000) as stack:
        stack.executor.raises(refusal)
        replies = await ask_many(stack, accept=accept)
        assert {(reply.status, reply.error, reply.message) for reply in replies} == {(503, "overloaded", TOO_MUCH)}
        assert {reply.headers["retry-after"] for reply in replies} == {"1"}
        assert {tuple(sorted(reply.headers)) for reply in replies} == {tuple(sorted(replies[0].headers))}
        assert len(stack.executor.calls) == MANY - await shed(stack) < MANY / 2


async def test_once_the_executor_takes_requests_again_so_does_the_gateway(start: Start) -> None:
    async with start(rate_limit_per_minute=1_000_000) as stack:
        stack.executor.raises(FULL)
        await ask_many(stack)
        stack.executor.reset()

        async def served() -> bool:
            return {reply.status for reply in await ask_many(stack)} == {200}

        await stack.until(served)


async def test_a_few_refusals_among_few_requests_refuse_nobody_else(start: Start) -> None:
    async with start() as stack:
        stack.executor.raises(FULL)
        for _ in range(5):
            await stack.orchestrate()
        stack.executor.reset()
        assert {(await stack.orchestrate()).status for _ in range(5)} == {200}


async def test_what_has_nothing_to_do_with_orchestrations_is_answered_meanwhile(start: Start) -> None:
    async with start(rate_limit_per_minute=1_000_000) as stack:
        stack.executor.raises(FULL)
        await ask_many(stack)
        keyed = {"authorization": f"Bearer {KEY}"}
        for _ in range(20):
            assert (await stack.orchestrate()).status == 503
            assert (await stack.request("GET", "/healthz")).status == 200
            assert (await stack.request("GET", "/v1/proof/prysm-0")).status == 200
            assert (await stack.request("POST", "/v2/compliance/preview", ASK, keyed)).status == 200


async def test_nobody_is_refused_for_what_others_fail_at(start: Start) -> None:
    async with start(rate_limit_per_minute=MANY) as stack:
        failures = [
            (CODE.UNAVAILABLE, "all_models_failed"),
            (CODE.UNAVAILABLE, "no_provider_available"),
            (CODE.INTERNAL, "orchestration_error"),
            (CODE.DEADLINE_EXCEEDED, "deadline_exceeded"),
            (CODE.UNAUTHENTICATED, "invalid_api_key"),
            (CODE.INVALID_ARGUMENT, "invalid_request"),
        ]
        for number, (code, reason) in enumerate(failures):
            stack.executor.raises(ServiceError(code, reason, "no"))
            key = f"Bearer prysm_sk_number0{number}_{'s' * 43}"
            assert {reply.error for reply in await ask_many(stack, authorization=key)} == {reason}
        # The same key again: the rate limit says no.
        assert 429 in {reply.status for reply in await ask_many(stack, authorization=key)}
        assert (await shed(stack), await stack.stat("http.rest.admission_control.rq_failure")) == (0, 0)


async def test_nobody_is_refused_for_clients_that_leave(start: Start) -> None:
    async with start(rate_limit_per_minute=1_000_000) as stack:
        arrived = asyncio.Semaphore(0)

        async def hang(_request: object, _context: object) -> object:
            arrived.release()
            await asyncio.Event().wait()
            raise AssertionError

        stack.executor.behaviour = hang
        leaving = [asyncio.create_task(stack.orchestrate()) for _ in range(50)]
        for _ in leaving:
            await arrived.acquire()
        for task in leaving:
            task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)

        async def gone() -> bool:
            return await stack.stat("http.rest.downstream_rq_active") == 0

        await stack.until(gone)
        stack.executor.reset()
        assert {reply.status for reply in await ask_many(stack)} == {200}
        assert await shed(stack) == 0
