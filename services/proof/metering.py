"""What is counted of signing: how long callers wait, what a batch holds and takes, and what the log has become."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from chassis.metrics import table
from chassis.metrics.meter import Uncounted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chassis.metrics.meter import Recorder

_NO_LABELS: Final = ()


class Metering:
    """Counts for one notary; owned by the event loop's thread, as the meter is."""

    def __init__(self) -> None:
        """Count nothing until `count` says where."""
        self._meter: Recorder = Uncounted()
        self._size = 0
        self._moved = time.monotonic()

    def count(self, meter: Recorder, size: int, queued: Callable[[], int]) -> None:
        """Count from here on: the log has this size, and `queued` tells how many records wait."""
        self._meter, self._size = meter, size
        meter.observe(table.SIGN_QUEUE, lambda: [(_NO_LABELS, queued())])
        meter.observe(table.LOG_SIZE, lambda: [(_NO_LABELS, self._size)])
        meter.observe(table.CHECKPOINT_AGE, lambda: [(_NO_LABELS, time.monotonic() - self._moved)])

    @contextmanager
    def signing(self) -> Iterator[None]:
        """Time one caller's signature."""
        began, outcome = time.perf_counter(), "ok"
        try:
            yield
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        except Exception:
            outcome = "failed"
            raise
        finally:
            self._meter.record(table.SIGN_DURATION, time.perf_counter() - began, outcome)

    def committed(self, proofs: int, seconds: float, size: int) -> None:
        """Count a batch; `size` is that of the newest checkpoint among its proofs."""
        self._meter.record(table.BATCH_SIZE, proofs)
        self._meter.record(table.COMMIT_DURATION, seconds)
        self.grown(size)

    def grown(self, size: int) -> None:
        """Note how large the log is, whoever has signed it."""
        if size > self._size:
            self._size, self._moved = size, time.monotonic()
