"""An OTLP receiver: the real gRPC services, keeping spans and metrics in memory."""

from __future__ import annotations

import threading
from concurrent import futures
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_TRACES: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_METRICS: Final = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
_PATIENCE_S: Final = 20.0


@dataclass(frozen=True)
class Span:
    """One span as it arrived."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    failed: bool
    #: Ids of spans that it is linked to.
    links: tuple[str, ...] = ()


@dataclass(frozen=True)
class Point:
    """The newest value of one label set of a metric."""

    service: str
    name: str
    attributes: dict[str, Any]
    #: A sum or a reading; of a histogram, how many values it holds, and their sum.
    value: float
    sum: float = 0.0


@dataclass
class Collector(grpc.GenericRpcHandler):
    """The receiver, on a free port of loopback. Takes batches as bytes and reads them when somebody asks."""

    port: int = 0
    _spans: list[Span] = field(default_factory=list, init=False)
    _points: dict[str, Point] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._arrived = threading.Condition()
        self._traces: list[bytes] = []
        self._metrics: list[bytes] = []

    @property
    def environment(self) -> dict[str, str]:
        """Point a suite here, and have it send soon."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "OTEL_EXPORTER_OTLP_INSECURE": "true",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "OTEL_METRIC_EXPORT_INTERVAL": "200",
        }

    def service(self, handler_call_details: Any) -> Any:
        """Serve the two methods."""
        kept = {_TRACES: self._traces, _METRICS: self._metrics}.get(handler_call_details.method)
        if kept is None:
            return None

        def export(batch: bytes, _context: Any) -> bytes:
            with self._arrived:
                kept.append(batch)
                self._arrived.notify_all()
            return b""

        return grpc.unary_unary_rpc_method_handler(export)

    @property
    def spans(self) -> list[Span]:
        """All spans so far."""
        while self._traces:
            request = ExportTraceServiceRequest.FromString(self._traces.pop(0))
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    self._spans.extend(_span(_service(resource), span) for span in scope.spans)
        return self._spans

    @property
    def points(self) -> list[Point]:
        """Every metric's every label set as it was last told."""
        while self._metrics:
            request = ExportMetricsServiceRequest.FromString(self._metrics.pop(0))
            for resource in request.resource_metrics:
                for scope in resource.scope_metrics:
                    for point in (one for metric in scope.metrics for one in _points(_service(resource), metric)):
                        self._points[repr((point.service, point.name, sorted(point.attributes.items())))] = point
        return list(self._points.values())

    def wait_for(
        self, trace_id: str, enough: Callable[[list[Span]], bool], timeout_s: float = _PATIENCE_S
    ) -> list[Span]:
        """Return the spans of a trace as soon as they are enough, or when waiting is over."""
        with self._arrived:
            self._arrived.wait_for(lambda: enough(self.of(trace_id)), timeout_s)
            return self.of(trace_id)

    def wait_for_points(self, enough: Callable[[list[Point]], bool], timeout_s: float = _PATIENCE_S) -> list[Point]:
        """Return all metrics as soon as they are enough, or when waiting is over."""
        with self._arrived:
            self._arrived.wait_for(lambda: enough(self.points), timeout_s)
            return self.points

    def of(self, trace_id: str) -> list[Span]:
        """Return the spans of a trace."""
        return [span for span in self.spans if span.trace_id == trace_id]

    def __enter__(self) -> Self:
        self._server = grpc.server(futures.ThreadPoolExecutor(2))
        self._server.add_generic_rpc_handlers((self,))
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(0)


def _attributes(items: Iterable[Any]) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in items}


def _service(resource: Any) -> str:
    return str(_attributes(resource.resource.attributes).get("service.name", ""))


def _span(service: str, span: Any) -> Span:
    return Span(
        service,
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        _attributes(span.attributes),
        span.status.code == span.status.STATUS_CODE_ERROR,
        tuple(link.span_id.hex() for link in span.links),
    )


def _points(service: str, metric: Any) -> Iterator[Point]:
    kind = metric.WhichOneof("data")
    for point in getattr(metric, kind).data_points:
        labels = _attributes(point.attributes)
        if kind == "histogram":
            yield Point(service, metric.name, labels, point.count, point.sum)
        else:
            yield Point(service, metric.name, labels, getattr(point, point.WhichOneof("value")))
