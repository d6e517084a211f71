"""Replaying a recording: the real planner, executor and strategies, with recorded answers in the providers' place.

In process and without sockets; plans cross the same contracts as on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Final

from chassis.spans import Spans
from chassis.telemetry import Tracing
from evaluation import grading
from executor.breaker import Breakers
from executor.chat import Message
from executor.edges import Edges
from executor.hedging import Hedges
from executor.orchestrate import Offer, Request, execute
from executor.providers.replay import Replay, index
from executor.run import Task
from executor.wire import incoming, outgoing
from planner.compliance import matrix
from planner.recorded import REPLAY
from planner.service import PlannerServicer
from planner.shapes import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evaluation.evidence import Item
    from executor.calibration import Calibration
    from executor.orchestrate import Outcome
    from executor.plan import Plan
    from planner.catalog import Catalog

AUTO: Final = "auto"
#: What a request may ask for.
SHAPES: Final = (AUTO, *STRATEGIES)
POLICIES: Final = ("efficiency", "balanced", "depth")
_MAX_TOKENS: Final = 1024
_DEADLINE_S: Final = 60.0
_OFFER: Final = Offer((REPLAY,), (), ())
#: Nobody looks at them.
_SPANS: Final = Spans(Tracing.to(None))


@dataclass(frozen=True)
class Row:
    """What one request came to."""

    task: str
    policy: str
    #: What was asked for: `auto` or a strategy.
    shape: str
    #: What ran.
    strategy: str
    right: bool
    confidence: float
    calibrated: bool
    #: USD.
    cost: float
    calls: int
    #: More models were asked than one.
    escalated: bool
    #: Something was asked that was not recorded, so the strategy did less than it does.
    unrecorded: bool


class Player:
    """Answers recorded questions as the suite would."""

    def __init__(self, items: Sequence[Item], catalog: Catalog, calibration: Calibration) -> None:
        self._answers = index(item.question for item in items)
        self._calibration = calibration
        self._planner = PlannerServicer(catalog, matrix.load())

    async def play(self, item: Item, policy: str, shape: str) -> Row:
        """Answer one question."""
        plan = await self._plan(item, policy, shape)
        provider = Replay(self._answers, once=True)
        edges = Edges(
            provider_of=lambda _: provider,
            breakers=Breakers(_no_time),
            hedges=Hedges(),
            spans=_SPANS,
            clock=_no_time,
            random=Random(item.question.place),  # noqa: S311 - the same every time
            calibration=self._calibration,
        )
        task = Task(plan, (Message("user", item.question.prompt),), _MAX_TOKENS, 0.0)
        outcome = await execute(task, None, edges, _DEADLINE_S, None)
        return _row(item, policy, shape, outcome)

    async def _plan(self, item: Item, policy: str, shape: str) -> Plan:
        request = Request(
            messages=(Message("user", item.question.prompt),),
            policy=policy,
            strategy=None if shape == AUTO else shape,
            k=None,
            max_tokens=_MAX_TOKENS,
            temperature=0.0,
            max_cost=None,
            judge_model="",
            include_trace=False,
        )
        context: Any = None  # the planner asks its caller nothing
        answer = await self._planner.Plan(outgoing.plan_request(request, _OFFER), context)
        return incoming.read_plan(answer.plan)


def _no_time() -> float:
    """Return the time: none passes, since every answer is there."""
    return 0.0


def _row(item: Item, policy: str, shape: str, outcome: Outcome) -> Row:
    sureness = outcome.answer.confidence
    return Row(
        task=item.question.task,
        policy=policy,
        shape=shape,
        strategy=outcome.plan.strategy,
        right=grading.right(item.question, outcome.answer.text),
        confidence=sureness.value,
        calibrated=sureness.calibration is not None,
        cost=outcome.totals.cost / 1e12,
        calls=len(outcome.stages),
        escalated=len({stage.model.id for stage in outcome.stages}) > 1,
        unrecorded=any(stage.error_reason == "rejected" for stage in outcome.stages),
    )
