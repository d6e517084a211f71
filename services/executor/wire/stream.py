"""An orchestration as events: what an observer is told, in order, for a reader of any speed."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import structlog

from chassis.interceptors import typed
from executor.wire import outgoing
from openprysm.orchestration.v2 import orchestration_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from chassis.errors import ServiceError
    from executor.edges import Observer
    from executor.plan import Plan
    from executor.stages import Stage

    Answering: TypeAlias = Callable[[Observer], Awaitable[pb.OrchestrateResponse | bytes]]

_log = structlog.get_logger()


@dataclass(frozen=True)
class _Waiting:
    """An event that is not taken yet. Its number is given when it is, so that numbers have no gaps."""

    event: pb.StreamOrchestrateResponse
    #: Text of an `answer.delta`, which grows until the event is taken or another one follows.
    pieces: list[str] = field(default_factory=list)


class Stream:
    """An observer that holds the events until their reader takes them; one reader, one event loop.

    Nothing is dropped, and yet what waits is bounded: a run makes at most `attempt.MAX_CALLS` calls of two events each,
    and all pieces of text between two other events are one event.
    """

    listens = True

    def __init__(self, clock: Callable[[], float]) -> None:
        """Begin now; `clock` gives monotonic seconds."""
        self._clock = clock
        self._began = clock()
        self._waiting: deque[_Waiting] = deque()
        self._news = asyncio.Event()
        self._ended = False
        self._said: list[str] = []
        self._taken = 0

    @property
    def begun(self) -> bool:
        """Whether there was any event so far."""
        return bool(self._taken or self._waiting)

    def planned(self, plan: Plan) -> None:
        """Tell of the plan."""
        self._put(self._event("plan", plan=outgoing.plan_summary(plan)))

    def started(self, stage: Stage) -> None:
        """Tell of a call; it is `running`, and its figures are still 0."""
        self._put(self._event("stage.started", stage=outgoing.stage_message(stage)))

    def completed(self, stage: Stage) -> None:
        """Tell how a call ended."""
        self._put(self._event("stage.completed", stage=outgoing.stage_message(stage)))

    def said(self, text: str) -> None:
        """Tell a piece of the answer."""
        if not text:
            return
        self._said.append(text)
        if self._waiting and self._waiting[-1].pieces:
            self._waiting[-1].pieces.append(text)
        else:
            self._put(self._event("answer.delta"), text)

    def answered(self, response: pb.OrchestrateResponse) -> None:
        """Say what of the answer was not said yet, so that the deltas are the answer; then the result."""
        answer, said = response.choices[0].message.content, "".join(self._said)
        if answer.startswith(said):
            self.said(answer[len(said) :])
        else:
            _log.error("answer_is_not_what_was_said", id=response.id, said=len(said), answer=len(answer))
        self._put(self._event("result", result=response))

    def failed(self, error: ServiceError, request_id: str) -> None:
        """Tell why there is no answer."""
        detail = pb.ErrorDetail(error=error.reason, message=error.message, request_id=request_id)
        self._put(self._event("error", detail=detail))

    def end(self) -> None:
        """Let `take` return None as soon as nothing waits any more."""
        self._ended = True
        self._news.set()

    async def take(self) -> pb.StreamOrchestrateResponse | None:
        """Return the next event, waiting for it if need be; None after the end."""
        while not self._waiting:
            if self._ended:
                return None
            self._news.clear()
            await self._news.wait()
        waiting = self._waiting.popleft()
        waiting.event.seq = self._taken
        self._taken += 1
        if waiting.pieces:
            waiting.event.delta = "".join(waiting.pieces)
        return waiting.event

    def _event(
        self,
        kind: str,
        *,
        plan: pb.PlanSummary | None = None,
        stage: pb.Stage | None = None,
        result: pb.OrchestrateResponse | None = None,
        detail: pb.ErrorDetail | None = None,
    ) -> pb.StreamOrchestrateResponse:
        ts_ms = (self._clock() - self._began) * 1e3
        return pb.StreamOrchestrateResponse(
            type=kind, ts_ms=ts_ms, plan=plan, stage=stage, result=result, detail=detail
        )

    def _put(self, event: pb.StreamOrchestrateResponse, *pieces: str) -> None:
        self._waiting.append(_Waiting(event, list(pieces)))
        self._news.set()


async def _run(answering: Answering, stream: Stream, method: str, request_id: str) -> None:
    try:
        response = await answering(stream)
        stream.answered(pb.OrchestrateResponse.FromString(response) if isinstance(response, bytes) else response)
    except Exception as error:
        failure = typed(error, method)
        if stream.begun:
            stream.failed(failure, request_id)
        if failure is error:
            raise
        raise failure from error


async def events(
    answering: Answering, clock: Callable[[], float], method: str, request_id: str
) -> AsyncGenerator[pb.StreamOrchestrateResponse, None]:
    """Run an orchestration; yield its events as they happen and exactly one `result` or `error` last.

    Args:
        answering: runs it, tells an observer, returns the response. Cancelled when the reader leaves.
        clock: monotonic seconds.
        method: full name of the RPC, for the log.
        request_id: what an `error` names the request.

    Raises:
        ServiceError: it failed. Before the first event that is all; later the `error` event has said the same, and the
            exception ends the RPC, so that log, trace and gRPC callers see a failure too.
    """
    stream = Stream(clock)
    running = asyncio.create_task(_run(answering, stream, method, request_id))
    running.add_done_callback(lambda _: stream.end())
    try:
        while (event := await stream.take()) is not None:
            yield event
        await running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
