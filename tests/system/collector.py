"""An OTLP receiver: the real gRPC service, keeping spans in memory."""

from __future__ import annotations

import threading
from concurrent import futures
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Callable


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


@dataclass
class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """The receiver, on a free port of loopback."""

    spans: list[Span] = field(default_factory=list)
    port: int = 0

    def __post_init__(self) -> None:
        self._arrived = threading.Condition()

    def Export(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        """Take a batch."""
        with self._arrived:
            for resource in request.resource_spans:
                names = {item.key: item.value.string_value for item in resource.resource.attributes}
                for scope in resource.scope_spans:
                    self.spans.extend(self._read(names.get("service.name", ""), span) for span in scope.spans)
            self._arrived.notify_all()
        return trace_service_pb2.ExportTraceServiceResponse()

    @staticmethod
    def _read(service: str, span: Any) -> Span:
        attributes = {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in span.attributes}
        return Span(
            service,
            span.name,
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            span.start_time_unix_nano,
            span.end_time_unix_nano,
            attributes,
            span.status.code == span.status.STATUS_CODE_ERROR,
        )

    def wait_for(self, trace_id: str, enough: Callable[[list[Span]], bool], timeout_s: float = 20) -> list[Span]:
        """Return the spans of a trace as soon as they are enough."""
        with self._arrived:
            self._arrived.wait_for(lambda: enough(self.of(trace_id)), timeout_s)
            return self.of(trace_id)

    def of(self, trace_id: str) -> list[Span]:
        """Return the spans of a trace."""
        return [span for span in self.spans if span.trace_id == trace_id]

    def __enter__(self) -> Self:
        self._server = grpc.server(futures.ThreadPoolExecutor(2))
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(self, self._server)  # type: ignore[no-untyped-call]
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(0)
