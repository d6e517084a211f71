"""Metrics: what is counted, what bounds it, and that both ways out tell the same."""

from __future__ import annotations

import asyncio
import math
import re
import urllib.request
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.resources import Resource
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from chassis.config import Settings
from chassis.errors import ServiceError
from chassis.metrics import exports, otlp, prometheus, table
from chassis.metrics.meter import Meter, Uncounted

from .service import CANARY, PLANNER, free_address, serving

if TYPE_CHECKING:
    from pathlib import Path

    from openprysm.planner.v1 import planner_pb2

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_RESOURCE = Resource({"service.name": "openprysm-test", "service.version": "1"})


def text_of(meter: Meter) -> str:
    about = {"service.name": "openprysm-test"}
    return generate_latest(prometheus.registry(meter.collect, about)).decode()


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_table_is_well_formed() -> None:
    assert len({one.name for one in table.TABLE}) == len(table.TABLE)
    for one in table.TABLE:
        assert all(map(_NAME.fullmatch, (one.name, *one.labels))), one
        assert one.meaning.endswith("."), one
        assert list(one.buckets) == sorted(set(one.buckets)), one
        assert bool(one.buckets) == (one.kind == "histogram"), one


def test_both_ways_out_tell_the_same_of_every_instrument() -> None:
    meter = Meter()
    for one in table.TABLE:
        values = tuple("x" for _ in one.labels)
        if one.kind == "counter":
            meter.add(one, 2, *values)
        elif one.kind == "gauge":
            meter.observe(one, lambda values=values: [(values, 3.0)])  # type: ignore[misc]
        else:
            meter.record(one, one.buckets[0], *values)
            meter.record(one, one.buckets[-1] * 2, *values)
    told = samples(text_of(meter))
    (resource,) = encode_metrics(otlp.message(meter.collect(), _RESOURCE, meter.since_ns)).resource_metrics
    sent = {metric.name: metric for metric in resource.scope_metrics[0].metrics}
    assert set(sent) == {one.name for one in table.TABLE}
    for one in table.TABLE:
        name, metric = prometheus.metric_name(one), sent[one.name]
        labels = tuple(sorted((label, "x") for label in prometheus.label_names(one)))
        if one.kind == "histogram":
            (point,) = metric.histogram.data_points
            assert (point.count, list(point.explicit_bounds)) == (2, list(one.buckets))
            assert (point.bucket_counts[0], point.bucket_counts[-1], len(point.bucket_counts)) == (
                1, 1, len(one.buckets) + 1,
            )  # fmt: skip
            assert not point.HasField("max")
            assert told[f"{name}_count", labels] == 2
            assert told[f"{name}_sum", labels] == pytest.approx(point.sum)
            first = tuple(sorted([*labels, ("le", str(one.buckets[0]))]))
            assert told[f"{name}_bucket", first] == 1
        elif one.kind == "counter":
            assert (metric.sum.is_monotonic, metric.sum.data_points[0].as_int) == (True, 2)
            assert told[f"{name}_total", labels] == 2
        else:
            assert metric.gauge.data_points[0].as_double == told[name, labels] == 3
        assert metric.unit == one.unit


def test_names_are_translated_as_the_specification_says() -> None:
    assert prometheus.metric_name(table.RPC_DURATION) == "rpc_server_call_duration_seconds"
    assert prometheus.metric_name(table.TOKENS) == "gen_ai_client_token_usage"
    assert prometheus.metric_name(table.COST) == "prysm_cost_USD"
    assert prometheus.metric_name(table.CHECKPOINT_AGE) == "prysm_log_checkpoint_age_seconds"


def test_a_value_on_a_bound_belongs_below_it() -> None:
    meter = Meter()
    for value in (0.0, 1.0, 1.5, 16.0, 17.0, math.inf):
        meter.record(table.REQUEST_CALLS, value, "single")
    ((reading,),) = [one.points for one in meter.collect()]
    assert reading.buckets == (2, 1, 0, 0, 0, 0, 0, 0, 0, 1, 2)


def test_label_sets_are_bounded_and_nothing_is_lost() -> None:
    meter = Meter()
    for number in range(3000):
        meter.add(table.HEDGES, 1, str(number))
        meter.record(table.REQUEST_CALLS, 1, str(number))
    for reading in meter.collect():
        assert len(reading.points) == 1001
        assert sum(sum(point.buckets) or point.value for point in reading.points) == 3000
        assert reading.points[-1].labels == ("other",)


def test_labels_that_the_table_does_not_have_are_a_mistake() -> None:
    with pytest.raises(ValueError, match=r"prysm\.hedges"):
        Meter().add(table.HEDGES, 1, "a", "b")


@pytest.mark.parametrize(
    ("environment", "listen", "counts"),
    [
        ({}, None, False),
        ({}, "127.0.0.1:1", True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:1"}, None, True),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://x:1"}, None, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x:1"}, None, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:1", "OTEL_METRICS_EXPORTER": "none"}, None, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:1", "OTEL_SDK_DISABLED": "true"}, None, False),
    ],
)
def test_nothing_is_counted_when_nobody_exports(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], listen: str | None, counts: bool
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert isinstance(exports.meter(listen), Meter if counts else Uncounted)


@pytest.mark.parametrize("value", ["x", "unix:/tmp/x", "127.0.0.1:0", ":9464", "127.0.0.1:99999"])
def test_an_address_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="metrics_listen"):
        Settings(metrics_listen=value)


async def test_prometheus_reads_what_a_server_has_answered_and_no_word_of_it(folder: Path) -> None:
    async def refuse(_request: planner_pb2.PlanRequest) -> Any:
        raise ServiceError(grpc.StatusCode.UNAVAILABLE, "overloaded", CANARY)

    listen = free_address()
    async with serving(folder, settings=Settings(run=folder, metrics_listen=listen)) as service:
        await service.plan(CANARY)
        service.answer = refuse
        with pytest.raises(grpc.aio.AioRpcError):
            await service.plan(CANARY)
        text = (await asyncio.to_thread(lambda: urllib.request.urlopen(f"http://{listen}/metrics").read())).decode()
    told = samples(text)
    method = ("rpc_method", f"{PLANNER}/Plan")
    for status, error in (("OK", ""), ("UNAVAILABLE", "overloaded")):
        labels = sorted([
            method, ("error_type", error), ("rpc_response_status_code", status), ("rpc_system_name", "grpc"),
        ])  # fmt: skip
        assert told["rpc_server_call_duration_seconds_count", tuple(labels)] == 1
    assert told["prysm_rpc_active", (method,)] == 0
    assert CANARY not in text
