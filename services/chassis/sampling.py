"""Failures are traced whatever the sampler says: what it drops is recorded, and thrown away when all is well.

Head sampling decides before anything has happened. A request that fails is exported with all spans of this service, as
if it had been sampled; its spans in other services are theirs to keep, and go with their own failures only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import SpanContext, StatusCode, TraceFlags

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import Span
    from opentelemetry.trace import Link, SpanKind, TraceState
    from opentelemetry.util.types import Attributes

_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)


class RecordAll(Sampler):
    """Decides as another sampler does, but has what that one drops recorded; its flag stays: not sampled."""

    def __init__(self, inner: Sampler) -> None:
        self._inner = inner

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Return the inner sampler's decision, or RECORD_ONLY where that is DROP."""
        result = self._inner.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
        if result.decision is not Decision.DROP:
            return result
        return SamplingResult(Decision.RECORD_ONLY, attributes, result.trace_state)

    def get_description(self) -> str:
        """Name both."""
        return f"RecordAll{{{self._inner.get_description()}}}"


class _Request:
    """What this service does for one caller: the spans below one whose parent is remote, or absent."""

    __slots__ = ("ended", "failed", "waiting")

    def __init__(self) -> None:
        self.waiting: list[ReadableSpan] = []
        self.ended = False
        self.failed = False


class FailuresAnyway(SpanProcessor):
    """Hands spans that were not sampled on when their request has failed. What is sampled goes elsewhere."""

    def __init__(self, onward: SpanProcessor) -> None:
        """Make one; `onward` exports, and belongs to somebody else."""
        self._onward = onward
        #: By the ids of spans that are open.
        self._requests: dict[int, _Request] = {}

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002 - as the SDK calls it
        """Find the request that a span belongs to."""
        context = span.get_span_context()
        if context is None or context.trace_flags.sampled:
            return
        parent = span.parent
        known = None if parent is None or parent.is_remote else self._requests.get(parent.span_id)
        self._requests[context.span_id] = known or _Request()

    def on_end(self, span: ReadableSpan) -> None:
        """Keep a span until its request has ended, then export or forget; one that ends still later does as it did."""
        context = span.context
        request = self._requests.pop(context.span_id, None) if context else None
        if request is None:
            return
        request.waiting.append(span)
        if span.parent is None or span.parent.is_remote:
            request.ended = True
            request.failed = span.status.status_code is StatusCode.ERROR
        if request.ended:
            if request.failed:
                for one in request.waiting:
                    self._onward.on_end(_as_sampled(one))
            request.waiting.clear()


def _as_sampled(span: ReadableSpan) -> ReadableSpan:
    """Return the same span with the flag that exporters ask for."""
    context = span.context
    assert context is not None  # noqa: S101 - it was in the table
    return ReadableSpan(
        name=span.name,
        context=SpanContext(context.trace_id, context.span_id, context.is_remote, _SAMPLED, context.trace_state),
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes,
        events=span.events,
        links=span.links,
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
