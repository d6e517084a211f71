"""What is counted of planning: plans by shape, what it took, and what compliance policies did."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from chassis.errors import ServiceError
from chassis.metrics import table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chassis.metrics.meter import Recorder
    from planner.compliance.record import Record
    from planner.plan import Plan

#: What is told of a failure that nobody has typed.
_UNEXPECTED: Final = "orchestration_error"


@contextmanager
def planning(meter: Recorder) -> Iterator[Callable[[Plan], None]]:
    """Count what happens within; call what is handed out with the plan that is made."""
    began = time.perf_counter()
    outcome = "ok"

    def made(plan: Plan) -> None:
        meter.add(table.PLANS, 1, plan.policy, plan.strategy, "true" if plan.forced else "false")

    try:
        yield made
    except Exception as error:
        outcome = error.reason if isinstance(error, ServiceError) else _UNEXPECTED
        raise
    finally:
        meter.record(table.PLAN_DURATION, time.perf_counter() - began, outcome)


def telling(meter: Recorder, further: Callable[[Record], None]) -> Callable[[Record], None]:
    """Return who counts a decision under a policy and tells it further."""

    def tell(record: Record) -> None:
        meter.add(table.COMPLIANCE_DECISIONS, 1, record.outcome, record.pack, record.asked)
        for rule, models in record.excluded_by.items():
            meter.add(table.COMPLIANCE_EXCLUSIONS, models, rule)
        for name in record.detected:
            meter.add(table.COMPLIANCE_DETECTIONS, 1, name)
        further(record)

    return tell
