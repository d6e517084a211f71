"""One run of one plan: the only way for a strategy to reach a model.

A Run owns deadline, budget, call cap, stage records and spans, so that no strategy can forget them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from executor import costing
from executor.chat import CallError, ChatRequest, Message
from executor.stages import Degradation, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from random import Random

    from executor.breaker import Breakers
    from executor.budget import Ledger
    from executor.chat import Provider
    from executor.plan import Model, Plan

#: Model calls of one request, every attempt counted, whatever is asked.
MAX_CALLS: Final = 16
#: Tries of one call: the first, and one more after a transient failure.
_ATTEMPTS: Final = 2
_BACKOFF_S: Final = 0.2
#: A provider that asks for a longer pause is left for another one.
_MAX_PAUSE_S: Final = 2.0
#: Share of the remaining time that a call may take while there is somebody to ask after it.
_SHARE_WITH_FALLBACK: Final = 0.6
_MIN_CALL_S: Final = 0.01
#: A call that was given less time than this says nothing about its model's health when it is late.
_FAIR_S: Final = 5.0


class Span(Protocol):
    """A traced unit of work."""

    span_id: str

    def set(self, attributes: Mapping[str, str | bool | int | float]) -> None:
        """Add attributes."""

    def fail(self, reason: str) -> None:
        """Mark as failed."""


class Spans(Protocol):
    """Starts spans."""

    def start(
        self, name: str, attributes: Mapping[str, str | bool | int | float], *, client: bool = False
    ) -> AbstractContextManager[Span]:
        """Run a block inside a span."""


class Observer(Protocol):
    """Is told what happens as it happens: the plan, every stage's start and end, the answer's text."""

    def planned(self, plan: Plan) -> None:
        """The plan is made; nothing has been asked yet."""

    def started(self, stage: Stage) -> None:
        """A call goes out."""

    def completed(self, stage: Stage) -> None:
        """A call has ended, in whatever way."""

    def said(self, text: str) -> None:
        """The next piece of the final answer; what was said can't be taken back."""


class Silent:
    """An observer that looks away."""

    def planned(self, plan: Plan) -> None:
        """Do nothing."""

    def started(self, stage: Stage) -> None:
        """Do nothing."""

    def completed(self, stage: Stage) -> None:
        """Do nothing."""

    def said(self, text: str) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class Edges:
    """What a run reaches outside of itself."""

    provider_of: Callable[[Model], Provider]
    breakers: Breakers
    spans: Spans
    #: Monotonic seconds.
    clock: Callable[[], float]
    random: Random


@dataclass(frozen=True)
class Task:
    """What is to be done."""

    plan: Plan
    messages: tuple[Message, ...]
    #: Tokens of one call.
    max_tokens: int
    temperature: float


@dataclass(frozen=True)
class Reply:
    """A usable answer of a model."""

    text: str
    #: `stop` or `length`.
    finish_reason: str
    model: Model
    #: Index of its stage.
    stage: int


class AllFailedError(Exception):
    """Nobody who was asked gave an answer.

    Attributes:
        failures: what happened, in order.
    """

    def __init__(self, failures: Sequence[tuple[Model, CallError]]) -> None:
        super().__init__(self.summarise(failures))
        self.failures = tuple(failures)

    @staticmethod
    def summarise(failures: Sequence[tuple[Model, CallError]]) -> str:
        """Return how often which reason occurred, the most frequent first."""
        counts = Counter(error.reason for _, error in failures)
        return ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items(), key=lambda x: (-x[1], x[0])))


class Run:
    """One run. A strategy reads `task` and `random`, calls `ask` and `ask_any`, and says what went wrong."""

    def __init__(
        self, task: Task, edges: Edges, ledger: Ledger, began: float, deadline: float, observer: Observer | None = None
    ) -> None:
        """Make a run; `began` and `deadline` are times of the clock."""
        self.task = task
        self.random = edges.random
        self.stages: list[Stage] = []
        self.degradations: list[Degradation] = []
        self._edges = edges
        self._ledger = ledger
        self._began = began
        self._deadline = deadline
        self._observer = observer or Silent()

    def remaining_s(self) -> float:
        """Return the seconds until the deadline."""
        return self._deadline - self._edges.clock()

    def elapsed_ms(self) -> float:
        """Return the milliseconds since the orchestration began."""
        return (self._edges.clock() - self._began) * 1e3

    def degrade(self, stage: str, reason: str, model: str, action: str) -> None:
        """Record that something did not go as planned, and what was done instead."""
        self.degradations.append(Degradation(stage, reason, model, action))

    async def ask(
        self,
        name: str,
        model: Model,
        messages: tuple[Message, ...],
        *,
        share: float = 1.0,
        depends_on: tuple[int, ...] = (),
        even_if_open: bool = False,
    ) -> Reply:
        """Call one model, once more after a transient failure.

        Args:
            name: what the call is for, as the stage shows it.
            model: who is asked.
            messages: what is asked.
            share: part of the remaining time that all attempts together may take.
            depends_on: stages whose output the messages hold.
            even_if_open: call although the breaker is open.

        Raises:
            CallError: every attempt failed; the last one's error.
        """
        until = self._edges.clock() + self.remaining_s() * share
        attempt = 1
        while True:
            try:
                return await self._attempt(name, model, messages, attempt, until, depends_on, even_if_open)
            except CallError as error:
                # Full jitter, so that callers who failed together do not return together.
                pause = self.random.uniform(0, _BACKOFF_S * 2**attempt)
                pause = max(pause, error.retry_after_s or 0.0)
                late = self._edges.clock() + pause + _MIN_CALL_S > until
                if not error.transient or attempt == _ATTEMPTS or pause > _MAX_PAUSE_S or late:
                    raise
            await asyncio.sleep(pause)
            attempt += 1

    async def ask_any(
        self, name: str, models: Sequence[Model], messages: tuple[Message, ...], *, depends_on: tuple[int, ...] = ()
    ) -> Reply:
        """Call the models in order until one answers; a model whose breaker is open is passed over, if others are left.

        Raises:
            AllFailedError: none answered.
        """
        failures: list[tuple[Model, CallError]] = []
        waiting = list(models)
        passed_over: list[Model] = []
        while waiting or passed_over:
            even_if_open = not waiting
            model = waiting.pop(0) if waiting else passed_over.pop(0)
            share = _SHARE_WITH_FALLBACK if waiting else 1.0
            try:
                reply = await self.ask(
                    name, model, messages, share=share, depends_on=depends_on, even_if_open=even_if_open
                )
            except CallError as error:
                failures.append((model, error))
                if error.reason == "circuit_open":
                    passed_over.append(model)
                continue
            for failed, failure in failures:
                if failed.id != model.id:  # else it was passed over first, and answered after all
                    self.degrade(name, failure.reason, failed.id, f"{model.id} was asked instead")
            return reply
        raise AllFailedError(failures)

    async def _attempt(
        self,
        name: str,
        model: Model,
        messages: tuple[Message, ...],
        attempt: int,
        until: float,
        depends_on: tuple[int, ...],
        even_if_open: bool,
    ) -> Reply:
        """Make one call, from admission to the settled stage."""
        edges = self._edges
        seconds = until - edges.clock()
        if seconds < _MIN_CALL_S:
            raise CallError("timeout", "no time was left for this call")
        if len(self.stages) >= MAX_CALLS:
            raise CallError("call_limit", f"a request makes at most {MAX_CALLS} model calls")
        worst = costing.cost(model, costing.prompt_tokens(messages), self.task.max_tokens)
        if not self._ledger.reserve(worst):
            raise CallError("budget", "max_cost_usd leaves no room for this call")
        if not edges.breakers.admits(model.id) and not even_if_open:
            self._ledger.settle(worst, 0)
            raise CallError("circuit_open", "the model failed repeatedly and is being left alone")

        request = ChatRequest(model.upstream, messages, self.task.max_tokens, self.task.temperature)
        stage = Stage(len(self.stages), name, model, attempt, depends_on, request, self.elapsed_ms())
        self.stages.append(stage)
        attributes: dict[str, str | bool | int | float] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": model.provider,
            "gen_ai.request.model": model.upstream,
            "gen_ai.request.max_tokens": request.max_tokens,
            "gen_ai.request.temperature": request.temperature,
            "prysm.stage": name,
            "prysm.attempt": attempt,
        }
        with edges.spans.start(f"chat {model.id}", attributes, client=True) as span:
            stage.span_id = span.span_id
            self._observer.started(stage)
            try:
                async with asyncio.timeout(seconds):
                    reply = await edges.provider_of(model).chat(request)
                costing.count(stage, reply)
                stage.status = "ok"
                edges.breakers.succeeded(model.id)
                return Reply(reply.text, reply.finish_reason, model, stage.index)
            except TimeoutError as late:
                raise self._failed(stage, CallError("timeout", "no answer in time", worked=True), seconds) from late
            except CallError as error:
                raise self._failed(stage, error, seconds) from error.__cause__
            except asyncio.CancelledError:
                self._abandoned(stage, "cancelled", "cancelled", "the answer was not waited for")
                raise
            except Exception:
                self._abandoned(stage, "failed", "internal", "the call could not be made")
                raise
            finally:
                stage.duration_ms = self.elapsed_ms() - stage.start_ms
                self._ledger.settle(worst, stage.cost)
                span.set(
                    {
                        "gen_ai.usage.input_tokens": stage.prompt_tokens,
                        "gen_ai.usage.output_tokens": stage.completion_tokens,
                        "prysm.cost.usd": stage.cost / 1e12,
                        "prysm.status": stage.status,
                    }
                )
                if stage.status != "ok":
                    span.fail(stage.error_reason)
                self._observer.completed(stage)

    def _abandoned(self, stage: Stage, status: str, reason: str, message: str) -> None:
        """End a call by our own doing or fault, which says nothing about the model."""
        stage.status, stage.error_reason, stage.error_message = status, reason, message
        costing.guess(stage)
        self._edges.breakers.released(stage.model.id)

    def _failed(self, stage: Stage, error: CallError, seconds: float) -> CallError:
        stage.status = "failed"
        stage.error_reason, stage.error_message = error.reason, error.message
        if error.worked and not stage.prompt_tokens:
            costing.guess(stage)
        if error.reason == "timeout" and seconds < _FAIR_S:
            self._edges.breakers.released(stage.model.id)
        else:
            self._edges.breakers.failed(stage.model.id, error.reason)
        return error
