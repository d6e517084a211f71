"""One run of one plan: the only way for a strategy to reach a model.

A Run owns deadline, budget, call cap, stage records, spans and hedges, so that no strategy can forget them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from executor import agreement, naming
from executor.attempt import KEPT_CALLS, MAX_CALLS, MIN_CALL_S, Attempts, Call
from executor.chat import CallError, Message
from executor.edges import Edges, Observer, Silent
from executor.race import first_to_answer
from executor.reply import AllFailedError, BrokenOffError, Reply
from executor.speech import Speech, Whole
from executor.stages import Degradation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from executor.budget import Ledger
    from executor.plan import Model, Plan
    from executor.speech import Filter

#: Tries of one call: the first, and one more after a transient failure.
_ATTEMPTS: Final = 2
_BACKOFF_S: Final = 0.2
#: A provider that asks for a longer pause is left for another one.
_MAX_PAUSE_S: Final = 2.0
#: Share of the remaining time that a call may take while there is somebody to ask after it.
_SHARE_WITH_FALLBACK: Final = 0.6
#: Seconds that measuring free texts may take.
_MEASURE_S: Final = 2.0


@dataclass(frozen=True)
class Task:
    """What is to be done."""

    plan: Plan
    messages: tuple[Message, ...]
    #: Tokens of one call.
    max_tokens: int
    temperature: float


class Run:
    """One run. A strategy reads `task` and `random`, calls `ask`, `ask_any` and `compare`, and says what went wrong."""

    def __init__(
        self, task: Task, edges: Edges, ledger: Ledger, began: float, deadline: float, observer: Observer | None = None
    ) -> None:
        """Make a run; `began` and `deadline` are times of the clock."""
        self.task = task
        self.random = edges.random
        self.degradations: list[Degradation] = []
        self._edges = edges
        self._measure = edges.measure
        #: What a program puts out is compared sign by sign.
        self._exact = task.plan.task == "code" and "checkable" in task.plan.signals
        self._ledger = ledger
        self._deadline = deadline
        self._observer: Observer = observer or Silent()
        simplest = next(iter(task.plan.proposers), None)
        self._attempts = Attempts(edges, ledger, began, self._observer, simplest)
        #: Every attempt at a call, in order of start.
        self.stages = self._attempts.stages

    def remaining_s(self) -> float:
        """Return the seconds until the deadline."""
        return self._deadline - self._edges.clock()

    def elapsed_ms(self) -> float:
        """Return the milliseconds since the orchestration began."""
        return self._attempts.elapsed_ms()

    def calls_left(self) -> int:
        """Return how many calls may still be made."""
        return MAX_CALLS - len(self.stages)

    def degrade(self, stage: str, reason: str, model: str, action: str) -> None:
        """Record that something did not go as planned, and what was done instead."""
        self.degradations.append(Degradation(stage, reason, model, action))

    def speech(self, new_filter: Callable[[], Filter] = Whole) -> Speech | None:
        """Return the floor for the call that writes the final answer; None when nobody listens."""
        return Speech(self._observer.said, new_filter) if self._observer.listens else None

    async def compare(self, replies: Sequence[Reply]) -> agreement.Clusters:
        """Group replies that say the same."""
        measure = agreement.LEXICAL
        if self._measure is not None and len(replies) > 1 and (texts := agreement.to_measure(replies)):
            try:
                async with asyncio.timeout(min(_MEASURE_S, self.remaining_s())):
                    measure = await self._measure(texts)
            except (CallError, TimeoutError):
                self._measure = None  # once is enough
                self.degrade("compare", "unavailable", "", "compared the answers by their words")
        return self._weighed(agreement.cluster(replies, measure, exact=self._exact))

    def weigh(self, replies: Sequence[Reply]) -> agreement.Clusters:
        """Group replies by their words alone, at once."""
        return self._weighed(agreement.cluster(replies, exact=self._exact))

    def _weighed(self, clusters: agreement.Clusters) -> agreement.Clusters:
        calibration = self._edges.calibration
        return calibration.weigh(self.task.plan.kind, clusters) if calibration else clusters

    async def ask(
        self,
        name: str,
        model: Model,
        messages: tuple[Message, ...],
        *,
        share: float = 1.0,
        depends_on: tuple[int, ...] = (),
        temperature: float | None = None,
        logprobs: bool = False,
    ) -> Reply:
        """Call one model, once more after a transient failure.

        Args:
            name: what the call is for, as the stage shows it.
            model: who is asked.
            messages: what is asked.
            share: part of the remaining time that all attempts together may take.
            depends_on: stages whose output the messages hold.
            temperature: None: as the request says.
            logprobs: ask for log-probabilities, if the model tells them.

        Raises:
            CallError: every attempt failed; the last one's error.
        """
        heat = self.task.temperature if temperature is None else temperature
        call = Call(name, messages, depends_on, self.task.max_tokens, heat, logprobs=logprobs)
        with self._edges.spans.start(*naming.call(name)) as span:
            try:
                return await self._ask(model, call, self._edges.clock() + self.remaining_s() * share)
            except CallError as error:
                span.fail(error.reason)
                raise

    async def ask_any(
        self,
        name: str,
        models: Sequence[Model],
        messages: tuple[Message, ...],
        *,
        share: float = 1.0,
        depends_on: tuple[int, ...] = (),
        temperature: float | None = None,
        speech: Speech | None = None,
    ) -> Reply:
        """Call the models in order until one answers; a model whose breaker is open is passed over, if others are left.

        A model whose first word is late is hedged with the next one of another provider. With a speech the reply is
        the final answer, said as it is written. `share` is the part of the remaining time that all together may take.

        Raises:
            AllFailedError: none answered.
            BrokenOffError: one failed when part of the answer was said already.
        """
        heat = self.task.temperature if temperature is None else temperature
        call = Call(name, messages, depends_on, self.task.max_tokens, heat, speech=speech)
        with self._edges.spans.start(*naming.call(name)) as span:
            try:
                return await self._ask_in_turn(models, call, self._edges.clock() + self.remaining_s() * share)
            except AllFailedError:
                span.fail("all_models_failed")
                raise

    async def _ask_in_turn(self, models: Sequence[Model], call: Call, until: float) -> Reply:
        failures: list[tuple[Model, CallError]] = []
        waiting = list(models)
        passed_over: list[Model] = []
        while waiting or passed_over:
            last_resort = not waiting
            model = waiting.pop(0) if waiting else passed_over.pop(0)
            part = _SHARE_WITH_FALLBACK if waiting else 1.0
            stop = self._edges.clock() + (until - self._edges.clock()) * part
            spare = next((other for other in waiting if other.provider != model.provider), None)
            try:
                reply = await self._ask_hedged(model, spare, replace(call, even_if_open=last_resort), stop)
            except CallError as error:
                failures.append((model, error))
                if error.reason == "circuit_open":
                    passed_over.append(model)
                continue
            for failed, failure in failures:
                if failed.id != reply.model.id:  # else it was passed over first, and answered after all
                    self.degrade(call.name, failure.reason, failed.id, f"{reply.model.id} was asked instead")
            return reply
        raise AllFailedError(failures)

    async def _ask(self, model: Model, call: Call, until: float) -> Reply:
        attempt = 1
        while True:
            voice = call.speech.voice(model) if call.speech else None
            try:
                return await self._attempts.make(model, call, attempt, until, voice)
            except CallError as error:
                if voice is not None and voice.heard:
                    raise BrokenOffError(model, error) from error
                # Full jitter, so that callers who failed together do not return together.
                pause = self.random.uniform(0, _BACKOFF_S * 2**attempt)
                pause = max(pause, error.retry_after_s or 0.0)
                late = self._edges.clock() + pause + MIN_CALL_S > until
                if not error.transient or attempt == _ATTEMPTS or pause > _MAX_PAUSE_S or late or self._scarce():
                    raise
                failure = error
            await asyncio.sleep(pause)
            if self._scarce():  # others, who failed at the same time, were faster
                raise failure
            attempt += 1

    def _scarce(self) -> bool:
        return self.calls_left() <= KEPT_CALLS

    def _hedging(self, model: Model, call: Call) -> Call:
        """Return the call that hedges the running attempt at `call`."""
        late = [
            one.span_id
            for one in self.stages
            if one.status == "running" and one.name == call.name and one.model == model
        ]
        return replace(call, note="hedge", hedges=tuple(late[-1:]))

    async def _ask_hedged(self, model: Model, spare: Model | None, call: Call, until: float) -> Reply:
        """Ask `model`, and `spare` too when its first word is late."""
        hedges = self._edges.hedges
        patience = hedges.patience_s(model.id, streamed=call.speech is not None)
        if patience is None or spare is None:
            return await self._ask(model, call, until)
        outcome = await first_to_answer(
            self._ask(model, call, until),
            lambda: self._ask(spare, self._hedging(model, call), until) if hedges.take() else None,
            spare,
            patience,
            call.speech,
        )
        if outcome.failure is not None:
            self.degrade(call.name, outcome.failure.reason, model.id, f"{spare.id} was asked too, and answered")
        elif outcome.by_spare:
            # One that has gone dark never fails before its time is up, a minute: its lost races have to count.
            self._edges.breakers.failed(model.id, "slow")
            self.degrade(call.name, "slow", model.id, f"{spare.id} was asked too, and answered first")
        return outcome.reply
