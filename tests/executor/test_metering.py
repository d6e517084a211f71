"""What is counted of an orchestration: each attempt as it ends, the rest at its end, whatever that is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from chassis.errors import ServiceError, internal
from chassis.metrics import table
from chassis.metrics.meter import Meter
from executor.edges import Silent
from executor.metering import Watch, escalations, watch_breakers, watch_outbox
from executor.orchestrate import Outcome, execute
from executor.outbox import Outbox

from .test_stages import stage

if TYPE_CHECKING:
    from pathlib import Path

    from chassis.metrics.table import Instrument
    from executor.conftest import Lab, Script, World


def counted(meter: Meter, instrument: Instrument) -> dict[tuple[str, ...], Any]:
    """Return label values → what was added, or how many values were recorded."""
    return {
        point.labels: sum(point.buckets) if point.buckets else point.value
        for reading in meter.collect()
        if reading.instrument is instrument
        for point in reading.points
    }


def run(lab: Lab, script: Script, plan: Any, meter: Meter) -> tuple[World, Outcome]:
    world = lab.world(script)

    async def orchestrate() -> Outcome:
        with Watch(meter, world.clock, Silent()) as watch:
            outcome = await execute(lab.task(plan), None, world.edges, world.clock() + 60, watch)
            watch.answered(outcome)
        return outcome

    return world, world.do(orchestrate())


def test_an_ensemble_with_a_failed_proposer(lab: Lab) -> None:
    meter = Meter()
    script = {"a": [lab.says("Paris", after_s=1)], "b": [lab.fails("rejected")], "c": [lab.says("Paris")],
              "x": [lab.says("Paris")]}  # fmt: skip
    _, outcome = run(lab, script, lab.plan("abc", "x", "", "ensemble_moa"), meter)
    assert counted(meter, table.REQUESTS) == {("balanced", "ensemble_moa", "ok"): 1}
    assert counted(meter, table.REQUEST_DURATION) == {("ensemble_moa", "ok"): 1}
    assert counted(meter, table.REQUEST_CALLS) == {("ensemble_moa",): 1}
    assert counted(meter, table.AGREEMENT) == {("ensemble_moa",): 1}
    assert counted(meter, table.DEGRADATIONS) == {("propose", "rejected"): 1}
    assert counted(meter, table.STAGE_DURATION) == {
        ("propose", "ok"): 2, ("propose", "failed"): 1, ("aggregate", "ok"): 1,
    }  # fmt: skip
    attempts = counted(meter, table.OPERATION_DURATION)
    assert attempts == {("chat", f"provider-{name}", name, "rejected" if name == "b" else ""): 1 for name in "abcx"}
    assert sum(counted(meter, table.COST).values()) == pytest.approx(outcome.totals.cost / 1e12)
    assert {labels[2:] for labels in counted(meter, table.TOKENS)} == {
        (name, kind) for name in "acx" for kind in ("input", "output")
    }


def test_a_hedge_is_counted_by_what_became_of_it(lab: Lab) -> None:
    meter, world = Meter(), lab.world({"a": [lab.says("Paris", after_s=9.0)], "f": [lab.says("Paris")]})
    for _ in range(20):
        world.hedges.observe("a", 1.0, streamed=False)
    with Watch(meter, world.clock, Silent()) as watch:
        task = lab.task(lab.plan("a", "", "f"))
        watch.answered(world.do(execute(task, None, world.edges, world.clock() + 60, watch)))
    assert counted(meter, table.HEDGES) == {("ok",): 1}
    assert counted(meter, table.DEGRADATIONS) == {("answer", "slow"): 1}
    assert counted(meter, table.STAGE_DURATION) == {("answer", "cancelled"): 1, ("answer", "ok"): 1}


def test_what_we_add_is_the_whole_less_the_models_time(lab: Lab) -> None:
    meter = Meter()
    run(lab, {"a": [lab.says("Paris", after_s=5)]}, lab.plan("a"), meter)
    (overhead,) = (one for one in meter.collect() if one.instrument is table.REQUEST_OVERHEAD)
    (whole,) = (one for one in meter.collect() if one.instrument is table.REQUEST_DURATION)
    assert overhead.points[0].value == pytest.approx(0)
    assert whole.points[0].value == pytest.approx(5)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ServiceError(internal().code, "deadline_exceeded", "x"), "deadline_exceeded"),
        (asyncio.CancelledError(), "cancelled"),
        (GeneratorExit(), "cancelled"),
        (ZeroDivisionError("canary"), "orchestration_error"),
    ],
    ids=["the contract's", "a caller that left", "a reader that left", "anything else"],
)
def test_each_end_has_its_outcome(error: BaseException, outcome: str) -> None:
    meter = Meter()
    with pytest.raises(type(error)), Watch(meter, lambda: 0.0, Silent()):
        raise error
    assert counted(meter, table.REQUESTS) == {("", "", outcome): 1}


def test_an_answer_without_an_orchestration_is_a_replay() -> None:
    meter = Meter()
    with Watch(meter, lambda: 0.0, Silent()):
        pass
    assert counted(meter, table.REQUESTS) == {("", "", "replayed"): 1}


def test_each_step_up_a_cascade_has_its_reason(lab: Lab) -> None:
    rungs = [
        stage(lab, "a"),
        stage(lab, "b", status="failed"),
        stage(lab, "b", status="failed"),
        stage(lab, "c"),
    ]
    rungs[2].attempt = 2
    assert list(escalations(rungs)) == ["unsure", "failed"]
    assert not list(escalations(rungs[:1]))


def test_breakers_are_read_when_somebody_asks(lab: Lab) -> None:
    meter, world = Meter(), lab.world({})
    watch_breakers(meter, world.breakers)
    assert counted(meter, table.BREAKERS) == {}
    world.breakers.failed("b", "unavailable")
    world.break_open("a")
    assert counted(meter, table.BREAKERS) == {("a", "open"): 1, ("b", "counting"): 1}
    world.clock.now += 60
    assert counted(meter, table.BREAKERS) == {("a", "half_open"): 1, ("b", "counting"): 1}
    world.breakers.succeeded("a")
    assert ("a", "half_open") not in counted(meter, table.BREAKERS)


def test_runs_that_wait_for_their_signature_are_read_likewise(tmp_path: Path) -> None:
    meter, now = Meter(), [1000.0]
    outbox = Outbox(tmp_path, 1 << 20, lambda: now[0])
    watch_outbox(meter, outbox.backlog)
    gauges = (table.OUTBOX_RUNS, table.OUTBOX_AGE, table.OUTBOX_ASIDE)
    assert [counted(meter, gauge)[()] for gauge in gauges] == [0, 0, 0]
    outbox.keep("prysm-" + "0" * 32, b"a record")
    now[0] += 5
    assert [counted(meter, gauge)[()] for gauge in gauges] == [1, 5, 0]
