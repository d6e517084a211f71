"""Where metrics are counted: plain numbers in dictionaries, read as a whole when somebody exports them.

Own code and not the SDK's meter: that one takes 5 µs a measurement, this one less than 1 µs, and a request makes
twenty. Owned by the event loop's thread, which records and collects; so there are no locks.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from chassis.metrics.table import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from chassis.metrics.table import Instrument

Labels: TypeAlias = tuple[str, ...]
#: Label sets of one instrument; what comes after them is counted as one, whose labels are all `other`.
_MAX_SETS: Final = 1000
_OTHER: Final = "other"


class Recorder(Protocol):
    """What measuring code sees. Label values are given in the order of the instrument's labels."""

    def add(self, counter: Instrument, value: float, *labels: str) -> None:
        """Add to a counter."""

    def record(self, histogram: Instrument, value: float, *labels: str) -> None:
        """Put a value into a histogram."""

    def observe(self, gauge: Instrument, read: Callable[[], Iterable[tuple[Labels, float]]]) -> None:
        """Have a gauge read whenever metrics are exported; its readings are added to what others read."""


class Uncounted:
    """Records nothing: nobody exports."""

    def add(self, counter: Instrument, value: float, *labels: str) -> None:
        """Do nothing."""

    def record(self, histogram: Instrument, value: float, *labels: str) -> None:
        """Do nothing."""

    def observe(self, gauge: Instrument, read: Callable[[], Iterable[tuple[Labels, float]]]) -> None:
        """Do nothing."""


class _Sums:
    """One label set of a histogram."""

    __slots__ = ("buckets", "sum")

    def __init__(self, buckets: int) -> None:
        self.buckets = [0] * buckets
        self.sum = 0.0


@dataclass(frozen=True)
class Point:
    """One label set of one instrument, as it stood."""

    labels: Labels
    #: The sum of what was added or recorded; a gauge's reading.
    value: float
    #: How many values each bucket of a histogram holds.
    buckets: tuple[int, ...] = ()


@dataclass(frozen=True)
class Reading:
    """One instrument with all its label sets."""

    instrument: Instrument
    points: tuple[Point, ...]


class Meter:
    """Counts. One a process."""

    def __init__(self) -> None:
        #: Unix nanoseconds from which on everything is counted.
        self.since_ns = time.time_ns()
        self._counters: dict[Instrument, dict[Labels, float]] = {one: {} for one in TABLE if one.kind == "counter"}
        self._histograms: dict[Instrument, dict[Labels, _Sums]] = {one: {} for one in TABLE if one.kind == "histogram"}
        self._gauges: dict[Instrument, list[Callable[[], Iterable[tuple[Labels, float]]]]] = {
            one: [] for one in TABLE if one.kind == "gauge"
        }

    def add(self, counter: Instrument, value: float, *labels: str) -> None:
        """See Recorder."""
        series = self._counters[counter]
        if labels not in series:
            labels = _admit(counter, labels, len(series))
            series.setdefault(labels, 0)
        series[labels] += value

    def record(self, histogram: Instrument, value: float, *labels: str) -> None:
        """See Recorder."""
        series = self._histograms[histogram]
        sums = series.get(labels)
        if sums is None:
            labels = _admit(histogram, labels, len(series))
            sums = series.setdefault(labels, _Sums(len(histogram.buckets) + 1))
        sums.buckets[bisect_left(histogram.buckets, value)] += 1
        sums.sum += value

    def observe(self, gauge: Instrument, read: Callable[[], Iterable[tuple[Labels, float]]]) -> None:
        """See Recorder."""
        self._gauges[gauge].append(read)

    def collect(self) -> list[Reading]:
        """Return what was counted so far and what the gauges read now, of instruments that hold anything."""
        readings = [
            Reading(one, tuple(Point(labels, value) for labels, value in series.items()))
            for one, series in self._counters.items()
        ]
        readings += [
            Reading(one, tuple(Point(labels, sums.sum, tuple(sums.buckets)) for labels, sums in series.items()))
            for one, series in self._histograms.items()
        ]
        readings += [
            Reading(one, tuple(Point(labels, value) for read in reads for labels, value in read()))
            for one, reads in self._gauges.items()
        ]
        return [reading for reading in readings if reading.points]


def _admit(instrument: Instrument, labels: Labels, known: int) -> Labels:
    """Return the labels under which a new label set is counted."""
    if len(labels) != len(instrument.labels):
        raise ValueError(f"{instrument.name} has the labels {instrument.labels}")
    return labels if known < _MAX_SETS else (_OTHER,) * len(labels)
