"""Metrics as Prometheus reads them: GET /metrics on an address of its own, in a thread of its own.

Names as OpenTelemetry's specification translates them: dots become underscores, the unit and `_total` are suffixes.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from chassis.metrics.meter import Reading
    from chassis.metrics.table import Instrument

_UNITS: Final = {"s": "_seconds", "USD": "_USD"}


def metric_name(instrument: Instrument) -> str:
    """Return a metric's name without what Prometheus appends by kind: `_total`, `_bucket`, `_count`, `_sum`."""
    ratio = "_ratio" if instrument.unit == "1" and instrument.kind == "gauge" else ""
    return instrument.name.replace(".", "_") + _UNITS.get(instrument.unit, ratio)


def label_names(instrument: Instrument) -> tuple[str, ...]:
    """Return an instrument's labels as Prometheus spells them."""
    return tuple(name.replace(".", "_") for name in instrument.labels)


def _family(reading: Reading) -> Metric:
    instrument = reading.instrument
    name, meaning, labels = metric_name(instrument), instrument.meaning, label_names(instrument)
    if instrument.kind == "histogram":
        bounds = [*map(str, instrument.buckets), "+Inf"]
        histogram = HistogramMetricFamily(name, meaning, labels=labels)
        for point in reading.points:
            upto = zip(bounds, map(float, accumulate(point.buckets)), strict=True)
            histogram.add_metric(point.labels, list(upto), point.value)
        return histogram
    make = GaugeMetricFamily if instrument.kind == "gauge" else CounterMetricFamily
    family = make(name, meaning, labels=labels)
    for point in reading.points:
        family.add_metric(point.labels, point.value)
    return family


class _Exposition(Collector):
    def __init__(self, collect: Callable[[], Iterable[Reading]], resource: Mapping[str, str]) -> None:
        self._collect = collect
        self._resource = {name.replace(".", "_"): value for name, value in resource.items()}

    def collect(self) -> Iterator[Metric]:
        target = GaugeMetricFamily("target_info", "Whose metrics these are.", labels=tuple(self._resource))
        target.add_metric(tuple(self._resource.values()), 1)
        yield target
        yield from map(_family, self._collect())

    def describe(self) -> Iterator[Metric]:
        """Name nothing in advance: registering would ask for readings."""
        return iter(())


def registry(collect: Callable[[], Iterable[Reading]], resource: Mapping[str, str]) -> CollectorRegistry:
    """Return a registry that calls `collect` for every scrape."""
    made = CollectorRegistry()
    made.register(_Exposition(collect, resource))
    return made
