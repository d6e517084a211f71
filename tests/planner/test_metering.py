"""What is counted of plans and of decisions under a policy."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from chassis.errors import ServiceError
from chassis.metrics import table
from chassis.metrics.meter import Meter
from planner import catalog
from planner.compliance import matrix
from planner.metering import telling
from planner.service import PlannerServicer

from .test_enforcement import ask

if TYPE_CHECKING:
    from chassis.metrics.table import Instrument


@pytest.fixture
def meter() -> Meter:
    return Meter()


def counted(meter: Meter, instrument: Instrument) -> dict[tuple[str, ...], Any]:
    """Return label values → what was added, or how many values were recorded."""
    return {
        point.labels: sum(point.buckets) if point.buckets else point.value
        for reading in meter.collect()
        if reading.instrument is instrument
        for point in reading.points
    }


def plan(meter: Meter, *requests: Any) -> None:
    servicer = PlannerServicer(catalog.load(), matrix.load(), telling(meter, lambda _: None), meter)
    for request in requests:
        try:
            asyncio.run(servicer.Plan(request, None))  # type: ignore[arg-type] # it reads nothing of the context
        except ServiceError:
            continue


def test_plans_are_counted_by_shape_and_failures_by_reason(meter: Meter) -> None:
    wrong = ask(None)
    wrong.policy = "canary"
    plan(meter, ask(None, strategy="single"), ask(None, strategy="single"), wrong, ask({"frameworks": ["GDPR"]}))
    plans = counted(meter, table.PLANS)
    assert plans.pop(("depth", "single", "true")) == 2
    ((labels, once),) = plans.items()
    assert (labels[0], labels[2], once) == ("depth", "false", 1)
    assert counted(meter, table.PLAN_DURATION) == {("ok",): 3, ("invalid_request",): 1}
    assert "canary" not in repr(meter.collect())


def test_decisions_are_counted_by_what_excluded_and_what_was_found(meter: Meter) -> None:
    secret = ask({"block_data_classes": ["FINANCIAL"]}, messages=[{"role": "user", "text": "card 4111 1111 1111 1111"}])
    plan(meter, secret, ask({"jurisdiction": ["MARS"]}), ask({}))
    decisions = counted(meter, table.COMPLIANCE_DECISIONS)
    assert decisions["none", "own", "orchestrate"] == 1
    assert sum(decisions.values()) == 2
    rules = counted(meter, table.COMPLIANCE_EXCLUSIONS)
    assert set(rules) == {("jurisdiction",), ("block_data_classes",)}
    assert rules["jurisdiction",] > 10
    assert counted(meter, table.COMPLIANCE_DETECTIONS)["FINANCIAL",] == 1
    assert counted(meter, table.PLAN_DURATION)["no_compliant_model",] >= 1
    assert "4111" not in repr(meter.collect())
