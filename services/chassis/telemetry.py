"""OpenTelemetry: set-up from the standard environment variables, W3C context over gRPC, and spans for domain code.

Spans always have ids, since responses, logs and proofs name them; they leave the process only when
OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set. The SDK itself reads OTEL_TRACES_SAMPLER,
OTEL_BSP_*, OTEL_RESOURCE_ATTRIBUTES and OTEL_SDK_DISABLED.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Self, TypeAlias

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chassis.sampling import FailuresAnyway, RecordAll

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Attributes: TypeAlias = "Mapping[str, str | bool | int | float]"

_PROPAGATOR = TraceContextTextMapPropagator()
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def configure(service: str, version: str) -> TracerProvider:
    """Make the tracer provider of this process. Its owner calls `shutdown()`, which flushes."""
    resource = Resource.create({"service.name": f"openprysm-{service}", "service.version": version})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    if any(os.environ.get(name) for name in _ENDPOINTS):
        exporter = BatchSpanProcessor(OTLPSpanExporter())
        provider.add_span_processor(exporter)
        provider.sampler = RecordAll(provider.sampler)
        provider.add_span_processor(FailuresAnyway(exporter))
    return provider


class Span:
    """One unit of work, current from entering its block to leaving it.

    Handed to domain code, which knows no OpenTelemetry.
    """

    def __init__(self, span: trace.Span, parent: otel_context.Context | None = None) -> None:
        self._span = span
        self._parent = parent
        self._failed = False
        self._lasted_ns: int | None = None
        context = span.get_span_context()
        #: 32 hex digits.
        self.trace_id = trace.format_trace_id(context.trace_id)
        #: 16 hex digits.
        self.span_id = trace.format_span_id(context.span_id)

    def __enter__(self) -> Self:
        self._token = otel_context.attach(trace.set_span_in_context(self._span, self._parent))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: object) -> None:
        """End the span; an exception marks it as failed by its type alone and goes on."""
        if kind is not None:
            self.fail("cancelled" if issubclass(kind, asyncio.CancelledError) else kind.__name__)
        began = getattr(self._span, "start_time", None)  # what is not recorded has none
        self._span.end(None if began is None or self._lasted_ns is None else began + self._lasted_ns)
        otel_context.detach(self._token)

    def lasted(self, milliseconds: float) -> None:
        """Say how long the work took, by the clock of who did it: the span and its record then agree."""
        self._lasted_ns = round(milliseconds * 1e6)

    def set(self, attributes: Attributes) -> None:
        """Add attributes."""
        if self._span.is_recording():
            self._span.set_attributes(attributes)

    def fail(self, reason: str) -> None:
        """Mark the span as failed, with a typed reason as `error.type`; the first reason stays."""
        if self._failed:
            return
        self._failed = True
        self._span.set_status(Status(StatusCode.ERROR, reason))
        self._span.set_attribute("error.type", reason)


class Spans:
    """Starts spans as children of the current one."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("openprysm")

    def start(self, name: str, attributes: Attributes, *, client: bool = False, link: str = "") -> Span:
        """Start a span; use it as a context manager. `link` is the id of a span of the same trace."""
        kind = SpanKind.CLIENT if client else SpanKind.INTERNAL
        links = [_link(link)] if link else None
        return Span(self._tracer.start_span(name, kind=kind, attributes=attributes, links=links))

    def serve(self, method: str, metadata: Iterable[tuple[str, str | bytes]]) -> Span:
        """Start an RPC's SERVER span, whose parent is the caller's, read from its metadata.

        Args:
            method: `/package.Service/Method`.
            metadata: what the caller sent.
        """
        carrier = {key: value for key, value in metadata if key in _PROPAGATOR.fields and isinstance(value, str)}
        name = method.removeprefix("/")
        service, _, rpc = name.rpartition("/")
        parent = _PROPAGATOR.extract(carrier)
        attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": rpc}
        return Span(self._tracer.start_span(name, parent, SpanKind.SERVER, attributes), parent)


def _link(span_id: str) -> Link:
    here = trace.get_current_span().get_span_context()
    return Link(SpanContext(here.trace_id, int(span_id, 16), is_remote=False, trace_flags=here.trace_flags))


def outgoing() -> tuple[tuple[str, str], ...]:
    """Return the metadata that makes the callee's span a child of the current one."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return tuple(carrier.items())
