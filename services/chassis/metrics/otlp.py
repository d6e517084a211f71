"""Metrics as OTLP: cumulative sums since the process began, sent by OpenTelemetry's own exporter."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.resources import Resource

    from chassis.metrics.meter import Point, Reading
    from chassis.metrics.table import Instrument

_CUMULATIVE = AggregationTemporality.CUMULATIVE


def message(readings: Sequence[Reading], resource: Resource, since_ns: int) -> MetricsData:
    """Return readings as the exporter takes them."""
    now = time.time_ns()
    metrics = [
        Metric(one.instrument.name, one.instrument.meaning, one.instrument.unit, _data(one, since_ns, now))
        for one in readings
    ]
    scope = ScopeMetrics(InstrumentationScope("openprysm"), metrics, "")
    return MetricsData([ResourceMetrics(resource, [scope], "")])


def _data(reading: Reading, since_ns: int, now: int) -> Sum | Gauge | Histogram:
    instrument = reading.instrument
    if instrument.kind == "histogram":
        return Histogram([_histogram(instrument, point, since_ns, now) for point in reading.points], _CUMULATIVE)
    points = [NumberDataPoint(_attributes(instrument, point), since_ns, now, point.value) for point in reading.points]
    return Gauge(points) if instrument.kind == "gauge" else Sum(points, _CUMULATIVE, is_monotonic=True)


def _histogram(instrument: Instrument, point: Point, since_ns: int, now: int) -> HistogramDataPoint:
    return HistogramDataPoint(
        attributes=_attributes(instrument, point),
        start_time_unix_nano=since_ns,
        time_unix_nano=now,
        count=sum(point.buckets),
        sum=point.value,
        bucket_counts=point.buckets,
        explicit_bounds=instrument.buckets,
        min=None,  # type: ignore[arg-type] # not kept; optional in OTLP, and None leaves it out
        max=None,  # type: ignore[arg-type]
    )


def _attributes(instrument: Instrument, point: Point) -> dict[str, str]:
    """Return the labels that have a value."""
    return {name: value for name, value in zip(instrument.labels, point.labels, strict=True) if value}
