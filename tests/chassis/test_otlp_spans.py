"""Spans on the wire are what the SDK's own encoder makes of them, bit for bit in meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource

from chassis.otlp_spans import encode
from chassis.spans import Spans
from chassis.telemetry import Tracing

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=200)
VALUES = TEXTS | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.floats(allow_nan=False)
ATTRIBUTES = st.dictionaries(TEXTS, VALUES, max_size=6)
CALLERS = st.sampled_from(
    [
        (),
        (("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),),
        (("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), ("tracestate", "a=b,c=d")),
    ]
)


class Kept:
    """Keeps ended spans."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


def made(caller: Any, name: str, said: list[dict[str, Any]], reason: str) -> list[ReadableSpan]:
    """Return spans as a request makes them: one that serves, children, and linked ones that may have failed."""
    kept = Kept()
    resource = Resource({"service.name": "openprysm-test", "service.version": "1"})
    spans = Spans(Tracing.to(kept, resource))  # type: ignore[arg-type] # it is asked for this one method
    with spans.serve("/openprysm.planner.v1.PlannerService/Plan", caller) as server:
        for attributes in said:
            with (
                spans.start(name, attributes) as outer,
                spans.start(name, {}, client=True, links=[server.span_id]) as one,
            ):
                one.set(attributes)
                one.lasted(0.25)
                if reason:
                    one.fail(reason)
                outer.set({"again": 1, "true": True, "one": 1.0})
    return kept.spans


@given(CALLERS, TEXTS, st.lists(ATTRIBUTES, max_size=3), TEXTS)
def test_the_message_is_the_sdks(caller: Any, name: str, said: list[dict[str, Any]], reason: str) -> None:
    spans = made(caller, name, said, reason)
    assert encode(spans) == encode_spans(spans)


def test_equal_values_of_different_kinds_stay_what_they_are() -> None:
    spans = made((), "x", [{"a": 1}, {"a": True}, {"a": 1.0}, {"a": "1"}, {"a": 0}, {"a": False}, {"a": -1}], "")
    assert encode(spans) == encode_spans(spans)


def test_nothing_is_a_message_without_spans() -> None:
    assert encode([]) == encode_spans([])
