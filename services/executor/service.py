"""OrchestrationService and ExecutorService on the wire."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import grpc

from chassis import errors
from chassis.identity import current_client
from chassis.interceptors import note
from executor.idempotency import ConflictError, InProgressError
from executor.orchestrate import (
    DeadlineError,
    NoProviderError,
    Orchestrator,
    UnknownStrategyError,
    execute,
)
from executor.peers import trace_id
from executor.run import AllFailedError, Edges, Task
from executor.transcript import TranscriptError
from executor.wire import incoming, outgoing
from openprysm.executor.v1 import executor_pb2, executor_pb2_grpc
from openprysm.orchestration.v2 import orchestration_pb2, orchestration_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from executor.idempotency import Once
    from executor.orchestrate import Request
    from executor.plan import Plan
    from executor.stages import Stage

    Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]

ORCHESTRATION = orchestration_pb2.DESCRIPTOR.services_by_name["OrchestrationService"].full_name
EXECUTOR = executor_pb2.DESCRIPTOR.services_by_name["ExecutorService"].full_name

#: Taken off a caller's deadline, so that it hears of the time-out from us and not from its own clock.
_SHAVE_S: Final = 0.1
_SHAVE_SHARE: Final = 0.05


@contextmanager
def _typed_failures() -> Iterator[None]:
    """Turn what the domain raises into what the contract names."""
    code = grpc.StatusCode
    try:
        yield
    except NoProviderError as error:
        raise errors.ServiceError(
            code.UNAVAILABLE, "no_provider_available", "no provider is configured on the server"
        ) from error
    except DeadlineError as error:
        raise errors.ServiceError(
            code.DEADLINE_EXCEEDED, "deadline_exceeded", "the request's deadline passed before there was an answer"
        ) from error
    except AllFailedError as error:
        raise errors.ServiceError(code.UNAVAILABLE, "all_models_failed", f"every model call failed: {error}") from error
    except ConflictError as error:
        raise errors.ServiceError(
            code.ALREADY_EXISTS, "idempotency_conflict", "the idempotency key belongs to a request with another body"
        ) from error
    except InProgressError as error:
        raise errors.ServiceError(
            code.ABORTED,
            "idempotency_in_progress",
            "the first request with this idempotency key is still running",
            error.retry_after_s,
        ) from error
    except UnknownStrategyError as error:
        raise errors.invalid_request("plan.strategy", "is not available in this version") from error
    except TranscriptError as error:
        raise errors.invalid_request("messages", "must be Unicode text without lone surrogates") from error


class _Servicer:
    def __init__(self, edges: Edges, request_timeout_s: float) -> None:
        self._edges = edges
        self._request_timeout_s = request_timeout_s

    def _deadline(self, context: Context) -> float:
        """Return when an answer must be ready, as a time of the clock."""
        left = context.time_remaining()
        seconds = self._request_timeout_s if left is None else min(left, self._request_timeout_s)
        return self._edges.clock() + seconds - min(_SHAVE_S, seconds * _SHAVE_SHARE)


class OrchestrationServicer(_Servicer, orchestration_pb2_grpc.OrchestrationServiceServicer):
    """The public face."""

    def __init__(self, orchestrator: Orchestrator, once: Once, edges: Edges, request_timeout_s: float) -> None:
        super().__init__(edges, request_timeout_s)
        self._orchestrator = orchestrator
        self._once = once

    async def Orchestrate(  # noqa: N802
        self, request: orchestration_pb2.OrchestrateRequest, context: Context
    ) -> orchestration_pb2.OrchestrateResponse:
        """Check, orchestrate, answer; with an idempotency key once, and then the same bytes each time."""
        deadline = self._deadline(context)
        checked = incoming.read_request(request)
        key = incoming.read_idempotency_key(request, context.invocation_metadata() or ())
        if key is None:
            return await self._orchestrate(checked, deadline)

        async def run(until: float) -> bytes:
            return (await self._orchestrate(checked, until)).SerializeToString(deterministic=True)

        api_key, body = current_client.get().key, incoming.body_of(request)
        with _typed_failures():
            # Bytes, which the chassis sends as they are: decoded and encoded again, a map may change its order.
            return await self._once.answer(api_key, key, body, deadline, run)  # type: ignore[return-value]

    async def _orchestrate(self, checked: Request, deadline: float) -> orchestration_pb2.OrchestrateResponse:
        with _typed_failures():
            result = await self._orchestrator.orchestrate(checked, deadline)
        outcome = result.outcome
        note(
            id=result.id,
            policy=outcome.plan.policy,
            strategy=outcome.plan.strategy,
            models=outcome.totals.models_used,
            calls=len(outcome.stages),
            cost_usd=outcome.totals.cost / 1e12,
            degraded=bool(outcome.degradations),
            total_ms=round(result.total_ms, 3),
            models_ms=round(outcome.totals.models_ms, 3),
        )
        return outgoing.response(result, trace_id())


class _Events:
    """Puts a run's stages on a queue."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[executor_pb2.ExecuteResponse | None] = asyncio.Queue()

    def planned(self, plan: Plan) -> None:
        """The caller made it."""

    def said(self, text: str) -> None:
        """The outcome holds the answer."""

    def started(self, stage: Stage) -> None:
        self.queue.put_nowait(executor_pb2.ExecuteResponse(stage_started=outgoing.stage_message(stage)))

    def completed(self, stage: Stage) -> None:
        self.queue.put_nowait(executor_pb2.ExecuteResponse(stage_completed=outgoing.stage_message(stage)))


class ExecutorServicer(_Servicer, executor_pb2_grpc.ExecutorServiceServicer):
    """For internal callers who have a plan."""

    async def Execute(  # noqa: N802
        self, request: executor_pb2.ExecuteRequest, context: Context
    ) -> AsyncIterator[executor_pb2.ExecuteResponse]:
        """Run the plan; its events as they happen, its outcome last."""
        began, deadline = self._edges.clock(), self._deadline(context)
        task = Task(
            incoming.read_plan(request.plan),
            incoming.read_messages(request.messages),
            incoming.read_max_tokens(request),
            incoming.read_temperature(request),
        )
        if not task.plan.proposers:
            raise errors.invalid_request("plan.proposers", "must not be empty")
        max_cost = request.max_cost_pico_usd if request.HasField("max_cost_pico_usd") else None
        events = _Events()
        running = asyncio.create_task(execute(task, max_cost, self._edges, deadline, events))
        running.add_done_callback(lambda _: events.queue.put_nowait(None))
        try:
            while (event := await events.queue.get()) is not None:
                yield event
            with _typed_failures():
                outcome = await running
            total_ms = (self._edges.clock() - began) * 1e3
            yield executor_pb2.ExecuteResponse(outcome=outgoing.outcome_message(outcome, total_ms))
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
