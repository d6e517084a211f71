"""OrchestrationService, its stream, and ExecutorService on the wire."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from chassis import errors
from chassis.identity import current_client
from chassis.interceptors import note
from chassis.metrics.meter import Uncounted
from executor.edges import Silent
from executor.metering import Watch
from executor.orchestrate import Orchestrator, execute
from executor.peers import trace_id
from executor.run import Task
from executor.wire import incoming, outgoing, stream
from executor.wire.failures import typed_failures
from openprysm.executor.v1 import executor_pb2, executor_pb2_grpc
from openprysm.orchestration.v2 import orchestration_pb2, orchestration_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import grpc

    from chassis.metrics.meter import Recorder
    from executor.edges import Edges
    from executor.idempotency import Once
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


def _header(context: Context, name: str) -> str | None:
    """Return a header that the caller sent; None: it sent none."""
    return next((str(value) for key, value in context.invocation_metadata() or () if key == name), None)


class _Servicer:
    def __init__(self, edges: Edges, request_timeout_s: float, meter: Recorder | None) -> None:
        self._edges = edges
        self._request_timeout_s = request_timeout_s
        self._meter = meter or Uncounted()

    def _watch(self) -> Watch:
        """Return who counts one orchestration."""
        return Watch(self._meter, self._edges.clock, Silent())

    def _deadline(self, context: Context) -> float:
        """Return when an answer must be ready, as a time of the clock."""
        left = context.time_remaining()
        seconds = self._request_timeout_s if left is None else min(left, self._request_timeout_s)
        return self._edges.clock() + seconds - min(_SHAVE_S, seconds * _SHAVE_SHARE)


@dataclass(frozen=True)
class _Checked:
    """A request that may run."""

    request: Request
    #: Idempotency key, and what it is bound to.
    key: str | None
    body: bytes


class OrchestrationServicer(
    _Servicer,
    orchestration_pb2_grpc.OrchestrationServiceServicer,
    orchestration_pb2_grpc.OrchestrationStreamServiceServicer,
):
    """The public face: one orchestration, as one answer or as a stream. The method decides, not the field `stream`."""

    def __init__(
        self,
        orchestrator: Orchestrator,
        once: Once,
        edges: Edges,
        request_timeout_s: float,
        meter: Recorder | None = None,
    ) -> None:
        super().__init__(edges, request_timeout_s, meter)
        self._orchestrator = orchestrator
        self._once = once

    async def Orchestrate(  # noqa: N802
        self, request: orchestration_pb2.OrchestrateRequest, context: Context
    ) -> orchestration_pb2.OrchestrateResponse:
        """Check, orchestrate, answer."""
        deadline = self._deadline(context)
        with self._watch() as watch:
            checked = self._check(request, context, watch)
            return await self._answer(checked, deadline, watch)  # type: ignore[return-value] # bytes

    async def StreamOrchestrate(  # noqa: N802
        self, request: orchestration_pb2.OrchestrateRequest, context: Context
    ) -> AsyncIterator[orchestration_pb2.StreamOrchestrateResponse]:
        """Check, orchestrate, tell what happens and answer last."""
        deadline = self._deadline(context)
        with self._watch() as watch:
            checked = self._check(request, context, watch)
            events = stream.events(
                lambda observer: self._answer(checked, deadline, watch.tells(observer)),
                self._edges.clock,
                f"/{_STREAM}/StreamOrchestrate",
                _header(context, "x-request-id") or "",
            )
            async with aclosing(events):
                async for event in events:
                    yield event

    def _check(self, request: orchestration_pb2.OrchestrateRequest, context: Context, watch: Watch) -> _Checked:
        checked = incoming.read_request(request)
        watch.checked(checked)
        key = incoming.read_idempotency_key(request, context.invocation_metadata() or ())
        return _Checked(checked, key, incoming.body_of(request) if key else b"")

    async def _answer(
        self, asked: _Checked, deadline: float, watch: Watch
    ) -> orchestration_pb2.OrchestrateResponse | bytes:
        """Run a checked request, whoever watches; with an idempotency key once, and then the same bytes each time."""
        if asked.key is None:
            return await self._orchestrate(asked.request, deadline, watch)

        async def run(until: float) -> bytes:
            response = await self._orchestrate(asked.request, until, watch)
            return response.SerializeToString(deterministic=True)

        with typed_failures():
            # Bytes, which the chassis sends as they are: another version of us might encode them differently.
            return await self._once.answer(current_client.get().key, asked.key, asked.body, deadline, run)

    async def _orchestrate(
        self, request: Request, deadline: float, watch: Watch
    ) -> orchestration_pb2.OrchestrateResponse:
        with typed_failures():
            result = await self._orchestrator.orchestrate(request, deadline, watch)
        outcome = result.outcome
        watch.answered(outcome)
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

    def __init__(self, edges: Edges, request_timeout_s: float, meter: Recorder | None = None) -> None:
        super().__init__(edges, request_timeout_s, meter)

    async def Execute(  # noqa: N802
        self, request: executor_pb2.ExecuteRequest, context: Context
    ) -> AsyncIterator[executor_pb2.ExecuteResponse]:
        """Run the plan; its events as they happen, its outcome last."""
        began, deadline = self._edges.clock(), self._deadline(context)
        events = _Events()
        with self._watch().tells(events) as watch:
            task = Task(
                incoming.read_plan(request.plan),
                incoming.read_messages(request.messages),
                incoming.read_max_tokens(request),
                incoming.read_temperature(request),
            )
            if not task.plan.proposers:
                raise errors.invalid_request("plan.proposers", "must not be empty")
            max_cost = request.max_cost_pico_usd if request.HasField("max_cost_pico_usd") else None
            running = asyncio.create_task(execute(task, max_cost, self._edges, deadline, watch))
            running.add_done_callback(lambda _: events.queue.put_nowait(None))
            try:
                while (event := await events.queue.get()) is not None:
                    yield event
                with typed_failures():
                    outcome = await running
                watch.answered(outcome)
                total_ms = (self._edges.clock() - began) * 1e3
                yield executor_pb2.ExecuteResponse(outcome=outgoing.outcome_message(outcome, total_ms))
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
