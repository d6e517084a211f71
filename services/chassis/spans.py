"""Spans: an OpenTelemetry span is made when one has ended and is wanted; until then it is a few numbers.

The SDK's own span costs twenty microseconds, most of it for what a span here never has: events, locks, limits. W3C
context comes and goes over gRPC metadata (w3.org/TR/trace-context).

An unsampled trace's spans are held until the first of them in this process has ended. If one failed they are exported
after all: so every error is seen with what this process did for it, whatever the sampling ratio; spans of other
processes, in which nothing failed, stay away.
"""

from __future__ import annotations

import asyncio
import random
import time
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Final, Self, TypeAlias

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    INVALID_SPAN_CONTEXT,
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    get_current_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from opentelemetry.context import Context

    from chassis.telemetry import Tracing

Attributes: TypeAlias = "Mapping[str, str | bool | int | float]"

_PROPAGATOR: Final = TraceContextTextMapPropagator()
_SCOPE: Final = InstrumentationScope("openprysm")
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_UNSET: Final = Status(StatusCode.UNSET)


class _Trace:
    """What the spans of one trace have in common in this process."""

    __slots__ = ("_over", "failed", "held", "remote", "sampled", "trace_id", "tracing")

    def __init__(self, tracing: Tracing, name: str, kind: SpanKind, caller: Context | None) -> None:
        """Make one; `caller` holds the span of who called this process, if it sent one."""
        #: The caller's span; invalid: there is none.
        self.remote = get_current_span(caller).get_span_context() if caller is not None else INVALID_SPAN_CONTEXT
        number = self.remote.trace_id or random.getrandbits(128) or 1
        #: 32 hex digits.
        self.trace_id = f"{number:032x}"
        self.sampled = tracing.sampler.should_sample(caller, number, name, kind).decision is Decision.RECORD_AND_SAMPLE
        self.tracing = tracing
        self.failed = False
        #: Of an unsampled trace: what has ended.
        self.held: list[Span] = []
        self._over = False

    def context(self, span_id: str) -> SpanContext:
        """Return the context of a span of this process, as exporters know it."""
        return SpanContext(int(self.trace_id, 16), int(span_id, 16), False, _SAMPLED, self.remote.trace_state)

    def ended(self, span: Span) -> None:
        """Export a span that has ended, or hold it until it is known whether one fails."""
        processor = self.tracing.processor
        if processor is None:
            return
        if self.sampled:
            processor.on_end(span.readable())
            return
        self.held.append(span)
        self._over = self._over or span.is_local_root
        if self._over:
            if self.failed:
                for held in self.held:
                    processor.on_end(held.readable())
            self.held.clear()


class Span:
    """One unit of work, current from entering its block to leaving it.

    Handed to domain code, which knows no OpenTelemetry.
    """

    __slots__ = (
        "_attributes",
        "_began",
        "_ended",
        "_kind",
        "_lasted_ns",
        "_links",
        "_name",
        "_parent",
        "_reason",
        "_token",
        "_trace",
        "is_local_root",
        "span_id",
    )

    def __init__(
        self,
        trace: _Trace,
        name: str,
        kind: SpanKind,
        attributes: Attributes,
        parent: str | None,
        links: Sequence[str] = (),
    ) -> None:
        """Begin one; `parent` and `links` are ids of spans of this process, None when it is the first one here."""
        self._trace = trace
        self._name = name
        self._kind = kind
        self._attributes = dict(attributes)
        self._parent = parent
        self._links = links
        self._reason: str | None = None
        self._token: Token[Span | None] | None = None
        self._began = time.time_ns()
        self._ended = 0
        self._lasted_ns: int | None = None
        self.is_local_root = parent is None
        #: 16 hex digits.
        self.span_id = f"{random.getrandbits(64) or 1:016x}"

    @property
    def trace_id(self) -> str:
        """32 hex digits."""
        return self._trace.trace_id

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: object) -> None:
        """End the span; an exception marks it as failed by its type alone and goes on."""
        if kind is not None:
            self.fail("cancelled" if issubclass(kind, asyncio.CancelledError) else kind.__name__)
        self._ended = time.time_ns() if self._lasted_ns is None else self._began + self._lasted_ns
        if self._token is not None:
            _current.reset(self._token)
        self._trace.ended(self)

    def set(self, attributes: Attributes) -> None:
        """Add attributes."""
        self._attributes.update(attributes)

    def fail(self, reason: str) -> None:
        """Mark the span as failed, with a typed reason as `error.type`; the first reason stays."""
        if self._reason is None:
            self._reason = reason
            self._attributes["error.type"] = reason
            self._trace.failed = True

    def lasted(self, milliseconds: float) -> None:
        """Say how long the work took, by the clock of who did it: the span and its record then agree."""
        self._lasted_ns = round(milliseconds * 1e6)

    def child(self, name: str, kind: SpanKind, attributes: Attributes, links: Sequence[str]) -> Span:
        """Begin a span within this one."""
        return Span(self._trace, name, kind, attributes, self.span_id, links)

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return the W3C headers that make another process's span a child of this one."""
        parent = ("traceparent", f"00-{self.trace_id}-{self.span_id}-{'01' if self._trace.sampled else '00'}")
        state = self._trace.remote.trace_state
        return (parent, ("tracestate", state.to_header())) if state else (parent,)

    def readable(self) -> ReadableSpan:
        """Return the ended span as exporters know it."""
        trace = self._trace
        caller = trace.remote if trace.remote.is_valid else None
        parent = caller if self._parent is None else trace.context(self._parent)
        return ReadableSpan(
            self._name,
            trace.context(self.span_id),
            parent,
            trace.tracing.resource,
            self._attributes,
            links=[Link(trace.context(span_id)) for span_id in self._links],
            kind=self._kind,
            status=_UNSET if self._reason is None else Status(StatusCode.ERROR, self._reason),
            start_time=self._began,
            end_time=self._ended,
            instrumentation_scope=_SCOPE,
        )


_current: ContextVar[Span | None] = ContextVar("span", default=None)


def current() -> Span | None:
    """Return the span that is current here."""
    return _current.get()


def outgoing() -> tuple[tuple[str, str], ...]:
    """Return the metadata that makes the callee's span a child of the current one."""
    span = _current.get()
    return span.metadata() if span is not None else ()


class Spans:
    """Starts spans as children of the current one."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def start(self, name: str, attributes: Attributes, *, client: bool = False, links: Sequence[str] = ()) -> Span:
        """Start a span; use it as a context manager.

        Args:
            name: as the conventions say.
            attributes: what is known already.
            client: it is a call to somebody else.
            links: ids of spans of the same trace that it has to do with.
        """
        kind = SpanKind.CLIENT if client else SpanKind.INTERNAL
        within = _current.get()
        if within is not None:
            return within.child(name, kind, attributes, links)
        return Span(_Trace(self._tracing, name, kind, None), name, kind, attributes, None, links)

    def serve(self, method: str, metadata: Iterable[tuple[str, str | bytes]]) -> Span:
        """Start an RPC's SERVER span, whose parent is the caller's, read from its metadata.

        Args:
            method: `/package.Service/Method`.
            metadata: what the caller sent.
        """
        carrier = {key: value for key, value in metadata if key in _PROPAGATOR.fields and isinstance(value, str)}
        caller = _PROPAGATOR.extract(carrier) if carrier else None
        name = method.removeprefix("/")
        service, _, rpc = name.rpartition("/")
        attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": rpc}
        return Span(_Trace(self._tracing, name, SpanKind.SERVER, caller), name, SpanKind.SERVER, attributes, None)
