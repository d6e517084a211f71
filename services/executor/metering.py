"""What is counted of an orchestration, from records that exist anyway: its plan, its stages, what came of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Self

from chassis.conventions import CHAT
from chassis.errors import ServiceError
from chassis.metrics import table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from chassis.metrics.meter import Recorder
    from executor.breaker import Breakers
    from executor.edges import Observer
    from executor.orchestrate import Outcome, Request
    from executor.outbox import Backlog
    from executor.plan import Plan
    from executor.stages import Stage

#: What is told of a failure that nobody has typed.
_UNEXPECTED: Final = "orchestration_error"


def escalations(stages: Iterable[Stage]) -> Iterator[str]:
    """Yield why each step up a cascade was made: the rung below was `unsure`, or it `failed`."""
    below: Stage | None = None
    for stage in stages:
        if below is not None and stage.attempt == 1:
            yield "unsure" if below.status == "ok" else "failed"
        below = stage


class Watch:
    """An observer of one orchestration that counts, and passes on what it is told.

    Leave its context when the orchestration has ended, in whatever way.
    """

    def __init__(self, meter: Recorder, clock: Callable[[], float], told: Observer) -> None:
        self._meter = meter
        self._clock = clock
        self._began = clock()
        self._told = told
        self._policy = self._strategy = ""
        self._outcome = "replayed"  # which is an answer without an orchestration
        self.listens = told.listens

    def tells(self, told: Observer) -> Self:
        """Pass on to this observer from here on."""
        self._told = told
        self.listens = told.listens
        return self

    def checked(self, request: Request) -> None:
        """The request may run."""
        self._policy, self._strategy = request.policy, request.strategy or ""

    def planned(self, plan: Plan) -> None:
        """Note the shape."""
        self._policy, self._strategy = plan.policy, plan.strategy
        self._told.planned(plan)

    def started(self, stage: Stage) -> None:
        """Pass it on."""
        self._told.started(stage)

    def said(self, text: str) -> None:
        """Pass it on."""
        self._told.said(text)

    def completed(self, stage: Stage) -> None:
        """Count an attempt."""
        record, model = self._meter.record, stage.model
        seconds, asked = stage.duration_ms / 1e3, (CHAT, model.provider, model.upstream)
        record(table.STAGE_DURATION, seconds, stage.name, stage.status)
        record(table.OPERATION_DURATION, seconds, *asked, stage.error_reason)
        if stage.prompt_tokens:
            record(table.TOKENS, stage.prompt_tokens, *asked, "input")
            record(table.TOKENS, stage.completion_tokens, *asked, "output")
        self._meter.add(table.COST, stage.cost / 1e12, model.provider, model.upstream)
        if stage.note.startswith("hedge"):
            self._meter.add(table.HEDGES, 1, stage.status)
        self._told.completed(stage)

    def answered(self, outcome: Outcome) -> None:
        """Count an answer, when all that is done for it is done."""
        self._outcome = "ok"
        plan, answer, record = outcome.plan, outcome.answer, self._meter.record
        self._policy, self._strategy = plan.policy, plan.strategy
        total_s = self._clock() - self._began
        record(table.REQUEST_OVERHEAD, total_s - outcome.totals.models_ms / 1e3, plan.strategy)
        record(table.REQUEST_CALLS, len(outcome.stages), plan.strategy)
        record(table.CONFIDENCE, answer.confidence.value, plan.strategy, answer.confidence.source)
        if answer.agreement is not None:
            record(table.AGREEMENT, answer.agreement, plan.strategy)
        for item in outcome.degradations:
            self._meter.add(table.DEGRADATIONS, 1, item.stage, item.reason)
        if plan.strategy == "cascade":
            for why in escalations(outcome.stages):
                self._meter.add(table.ESCALATIONS, 1, why)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: object) -> None:
        if isinstance(error, ServiceError):
            self._outcome = error.reason
        elif isinstance(error, asyncio.CancelledError | GeneratorExit):
            self._outcome = "cancelled"
        elif error is not None:
            self._outcome = _UNEXPECTED
        self._meter.add(table.REQUESTS, 1, self._policy, self._strategy, self._outcome)
        seconds = self._clock() - self._began
        self._meter.record(table.REQUEST_DURATION, seconds, self._strategy, self._outcome)


def watch_breakers(meter: Recorder, breakers: Breakers) -> None:
    """Have the breakers read whenever metrics are exported."""
    meter.observe(table.BREAKERS, lambda: ((labels, 1.0) for labels in breakers.states().items()))


def watch_outbox(meter: Recorder, backlog: Callable[[], Backlog]) -> None:
    """Have the runs that wait for their signature counted whenever metrics are exported."""
    meter.observe(table.OUTBOX_RUNS, lambda: [((), backlog().entries)])
    meter.observe(table.OUTBOX_AGE, lambda: [((), backlog().oldest_s)])
    meter.observe(table.OUTBOX_ASIDE, lambda: [((), backlog().aside)])
