"""What is counted of signing: callers, batches, and what the log has become."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from chassis.metrics import table
from chassis.metrics.meter import Meter
from openprysm.proof.v2 import idempotency_pb2 as pb
from proof.idempotency import Claimed, Conflict, InProgress, Kept
from proof.idempotency_service import IdempotencyServicer
from proof.notary import ConflictError

from .records import record

if TYPE_CHECKING:
    from chassis.metrics.meter import Point
    from chassis.metrics.table import Instrument
    from proof.notary import Notary


def points(meter: Meter, instrument: Instrument) -> dict[tuple[str, ...], Point]:
    return {
        point.labels: point
        for reading in meter.collect()
        if reading.instrument is instrument
        for point in reading.points
    }


async def test_callers_batches_and_the_log_are_counted(notary: Notary) -> None:
    meter = Meter()
    notary.count(meter)
    assert points(meter, table.LOG_SIZE)[()].value == 0
    signing = [asyncio.create_task(notary.sign(record(number))) for number in range(5)]
    await asyncio.sleep(0)
    assert points(meter, table.SIGN_QUEUE)[()].value == 5
    await asyncio.gather(*signing)
    with pytest.raises(ConflictError):
        await notary.sign(record(1, confidence=0.1))
    assert points(meter, table.SIGN_QUEUE)[()].value == 0
    assert points(meter, table.LOG_SIZE)[()].value == 5
    assert 0 <= points(meter, table.CHECKPOINT_AGE)[()].value < 60
    assert sum(points(meter, table.SIGN_DURATION)["ok",].buckets) >= 5
    batches = points(meter, table.BATCH_SIZE)[()]
    assert batches.value == 6  # the conflict was one of a batch, too
    assert sum(points(meter, table.COMMIT_DURATION)[()].buckets) == sum(batches.buckets)


async def test_a_caller_that_left_and_a_batch_that_failed_are_counted_as_such(
    notary: Notary, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = Meter()
    notary.count(meter)

    def fail(_given: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(notary, "_append", fail)
    with pytest.raises(ZeroDivisionError):
        await notary.sign(record())
    leaving = asyncio.create_task(notary.sign(record(1)))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    assert {labels: sum(point.buckets) for labels, point in points(meter, table.SIGN_DURATION).items()} == {
        ("failed",): 1, ("cancelled",): 1,
    }  # fmt: skip
    assert not points(meter, table.BATCH_SIZE)


async def test_a_log_that_is_there_already_has_its_size_at_once(notary: Notary) -> None:
    await notary.sign(record())
    meter = Meter()
    notary.count(meter)
    assert points(meter, table.LOG_SIZE)[()].value == 1


async def test_claims_are_counted_by_what_they_led_to() -> None:
    class Slots:
        """Answers with one of each."""

        def __init__(self) -> None:
            self.outcomes: list[Any] = [Conflict(), InProgress(1.0), Kept(b"x"), Claimed(b"c" * 16)]

        async def claim(self, *_: Any) -> Any:
            return self.outcomes.pop()

    meter = Meter()
    servicer = IdempotencyServicer(Slots(), meter)  # type: ignore[arg-type]
    for _ in range(4):
        request = pb.ClaimRequest(slot=b"s" * 32, body_digest=b"d" * 32, claim=b"c" * 16, lease_s=1.0)
        await servicer.Claim(request, None)  # type: ignore[arg-type]
    assert {labels[0]: point.value for labels, point in points(meter, table.IDEMPOTENCY).items()} == {
        "claimed": 1, "kept": 1, "in_progress": 1, "conflict": 1,
    }  # fmt: skip
