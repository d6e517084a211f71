"""Spans where they are made: sampling, what failed, links, and what goes to the next process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_span_id

from chassis import spans
from chassis.spans import Spans
from chassis.telemetry import Tracing

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

_METHOD = "/openprysm.planner.v1.PlannerService/Plan"
_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def _called(flags: str) -> tuple[tuple[str, str | bytes], ...]:
    return (("traceparent", f"00-{_TRACE}-00f067aa0ba902b7-{flags}"), ("user-agent", "x"), ("some-bin", b"\0"))


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(exporter: InMemorySpanExporter) -> Spans:
    return Spans(Tracing.to(SimpleSpanProcessor(exporter)))


def _names(found: tuple[ReadableSpan, ...]) -> list[str]:
    return [span.name for span in found]


def test_a_trace_that_its_caller_did_not_sample_is_not_exported(exporter: InMemorySpanExporter, tracer: Spans) -> None:
    with tracer.serve(_METHOD, _called("00")), tracer.start("plan", {}):
        assert dict(spans.outgoing())["traceparent"].endswith("-00")
    assert not exporter.get_finished_spans()


def test_an_error_is_exported_with_its_whole_trace_here_though_it_was_not_sampled(
    exporter: InMemorySpanExporter, tracer: Spans
) -> None:
    with tracer.serve(_METHOD, _called("00")):
        with tracer.start("before", {}):
            pass
        with pytest.raises(KeyError), tracer.start("broken", {}):
            raise KeyError
        assert not exporter.get_finished_spans()
    found = exporter.get_finished_spans()
    assert _names(found) == ["before", "broken", _METHOD[1:]]
    assert [span.status.status_code for span in found] == [StatusCode.UNSET, StatusCode.ERROR, StatusCode.UNSET]


async def test_what_ends_after_its_request_is_exported_if_something_failed(
    exporter: InMemorySpanExporter, tracer: Spans
) -> None:
    goes_on = asyncio.Event()

    async def late(*, fails: bool) -> None:
        with tracer.start("late", {}) as span:
            await goes_on.wait()
            if fails:
                span.fail("timeout")

    for fails in (False, True):
        goes_on.clear()
        with tracer.serve(_METHOD, _called("00")):
            task = asyncio.create_task(late(fails=fails))
            await asyncio.sleep(0)
        goes_on.set()
        await task
        assert _names(exporter.get_finished_spans()) == ["late"] * fails


def test_the_environment_chooses_the_sampler_of_traces_that_begin_here(
    exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    tracer = Spans(Tracing.to(SimpleSpanProcessor(exporter)))
    for _ in range(400):
        with tracer.start("one", {}), tracer.start("two", {}):
            pass
    found = _names(exporter.get_finished_spans())
    assert 100 < found.count("one") < 300
    assert found.count("one") == found.count("two")
    exporter.clear()
    with tracer.serve(_METHOD, _called("01")):
        pass
    assert len(exporter.get_finished_spans()) == 1


def test_spans_are_linked_timed_and_told_apart(exporter: InMemorySpanExporter, tracer: Spans) -> None:
    with tracer.start("outer", {"a": 1}) as outer:
        with tracer.start("first", {}) as first:
            pass
        with tracer.start("hedge", {}, client=True, links=[first.span_id]) as hedge:
            hedge.set({"b": "c"})
    by_name = {span.name: span for span in exporter.get_finished_spans()}
    (link,) = by_name["hedge"].links
    assert format_span_id(link.context.span_id) == first.span_id
    assert by_name["hedge"].kind is SpanKind.CLIENT
    assert by_name["hedge"].attributes == {"b": "c"}
    parent = by_name["hedge"].parent
    assert parent
    assert format_span_id(parent.span_id) == outer.span_id
    assert by_name["outer"].parent is None
    starts = [by_name[name].start_time or 0 for name in ("outer", "first", "hedge")]
    ends = [by_name[name].end_time or 0 for name in ("first", "hedge", "outer")]
    assert starts == sorted(starts)
    assert ends == sorted(ends)


def test_without_a_receiver_spans_have_ids_all_the_same() -> None:
    with Spans(Tracing.to(None)).start("alone", {}) as span:
        assert dict(spans.outgoing()) == {"traceparent": f"00-{span.trace_id}-{span.span_id}-01"}
    assert spans.current() is None
