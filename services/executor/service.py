"""OrchestrationService, its stream, and ExecutorService on the wire."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import grpc

from chassis import errors
from chassis.interceptors import note
from executor.orchestrate import (
    DeadlineError,
    NoProviderError,
    Orchestrator,
    UnknownStrategyError,
    execute,
)
from executor.peers import trace_id
from executor.reply import AllFailedError
from executor.run import Task
from executor.transcript import TranscriptError
from executor.wire import incoming, outgoing, stream
from openprysm.executor.v1 import executor_pb2, executor_pb2_grpc
from openprysm.orchestration.v2 import orchestration_pb2, orchestration_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from executor.edges import Edges, Observer
    from executor.orchestrate import Request
    from executor.plan import Plan
    from executor.stages import Stage

    Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]

_ORCHESTRATION: Final = orchestration_pb2.DESCRIPTOR.services_by_name["OrchestrationService"].full_name
_STREAM: Final = orchestration_pb2.DESCRIPTOR.services_by_name["OrchestrationStreamService"].full_name
_EXECUTOR: Final = executor_pb2.DESCRIPTOR.services_by_name["ExecutorService"].full_name
#: Full names of what is served here.
SERVICES: Final = (_ORCHESTRATION, _STREAM, _EXECUTOR)
#: Methods that start with one of these need a key.
PROTECTED: Final = (f"/{_ORCHESTRATION}/", f"/{_STREAM}/")

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
    except UnknownStrategyError as error:
        raise errors.invalid_request("plan.strategy", "is not available in this version") from error
    except TranscriptError as error:
        raise errors.invalid_request("messages", "must be Unicode text without lone surrogates") from error


def _header(context: Context, name: str) -> str | None:
    """Return a header that the caller sent; None: it sent none."""
    return next((str(value) for key, value in context.invocation_metadata() or () if key == name), None)


class _Servicer:
    def __init__(self, edges: Edges, request_timeout_s: float) -> None:
        self._edges = edges
        self._request_timeout_s = request_timeout_s

    def _deadline(self, context: Context) -> float:
        """Return when an answer must be ready, as a time of the clock."""
        left = context.time_remaining()
        seconds = self._request_timeout_s if left is None else min(left, self._request_timeout_s)
        return self._edges.clock() + seconds - min(_SHAVE_S, seconds * _SHAVE_SHARE)


class OrchestrationServicer(
    _Servicer,
    orchestration_pb2_grpc.OrchestrationServiceServicer,
    orchestration_pb2_grpc.OrchestrationStreamServiceServicer,
):
    """The public face: one orchestration, as one answer or as a stream. The method decides, not the field `stream`."""

    def __init__(self, orchestrator: Orchestrator, edges: Edges, request_timeout_s: float) -> None:
        super().__init__(edges, request_timeout_s)
        self._orchestrator = orchestrator

    async def Orchestrate(  # noqa: N802
        self, request: orchestration_pb2.OrchestrateRequest, context: Context
    ) -> orchestration_pb2.OrchestrateResponse:
        """Check, orchestrate, answer."""
        deadline = self._deadline(context)
        return await self._answer(self._check(request, context), deadline, None)

    async def StreamOrchestrate(  # noqa: N802
        self, request: orchestration_pb2.OrchestrateRequest, context: Context
    ) -> AsyncIterator[orchestration_pb2.StreamOrchestrateResponse]:
        """Check, orchestrate, tell what happens and answer last."""
        deadline = self._deadline(context)
        checked = self._check(request, context)
        events = stream.events(
            lambda observer: self._answer(checked, deadline, observer),
            self._edges.clock,
            f"/{_STREAM}/StreamOrchestrate",
            _header(context, "x-request-id") or "",
        )
        async with aclosing(events):
            async for event in events:
                yield event

    def _check(self, request: orchestration_pb2.OrchestrateRequest, context: Context) -> Request:
        checked = incoming.read_request(request)
        if _header(context, "idempotency-key") is not None:
            raise errors.invalid_request("Idempotency-Key", "is not supported by this version; leave it out")
        return checked

    async def _answer(
        self, request: Request, deadline: float, observer: Observer | None
    ) -> orchestration_pb2.OrchestrateResponse:
        """Run a checked request, whoever watches."""
        with _typed_failures():
            result = await self._orchestrator.orchestrate(request, deadline, observer)
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

    listens = False

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
