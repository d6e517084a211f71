"""An OTLP receiver: the real gRPC service, keeping spans in memory."""

from __future__ import annotations

import threading
from concurrent import futures
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

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
class Collector(grpc.GenericRpcHandler):
    """The receiver, on a free port of loopback. Takes batches as bytes and reads them when somebody asks."""

    port: int = 0

    def __post_init__(self) -> None:
        self._arrived = threading.Condition()
        self._batches: list[bytes] = []
        self._spans: list[Span] = []

    def service(self, handler_call_details: Any) -> Any:
        """Serve the one method."""
        if handler_call_details.method != "/opentelemetry.proto.collector.trace.v1.TraceService/Export":
            return None
        return grpc.unary_unary_rpc_method_handler(self._export)

    def _export(self, batch: bytes, _context: Any) -> bytes:
        with self._arrived:
            self._batches.append(batch)
            self._arrived.notify_all()
        return b""

    @property
    def spans(self) -> list[Span]:
        """All spans so far."""
        while self._batches:
            request = trace_service_pb2.ExportTraceServiceRequest.FromString(self._batches.pop(0))
            for resource in request.resource_spans:
                names = {item.key: item.value.string_value for item in resource.resource.attributes}
                for scope in resource.scope_spans:
                    self._spans.extend(self._read(names.get("service.name", ""), span) for span in scope.spans)
        return self._spans

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
        self._server.add_generic_rpc_handlers((self,))
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(0)
