"""A failure is exported although its trace is not sampled; a success is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased

from chassis.sampling import FailuresAnyway, RecordAll
from chassis.telemetry import Spans, outgoing

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.sampling import Sampler

_UNSAMPLED = (("traceparent", f"00-{'4b' * 16}-{'0f' * 8}-00"),)


class Traced:
    """A process whose sampler says what a test wants."""

    def __init__(self, sampler: Sampler) -> None:
        self.exporter = InMemorySpanExporter()
        onward = SimpleSpanProcessor(self.exporter)
        provider = TracerProvider(RecordAll(sampler), shutdown_on_exit=False)
        provider.add_span_processor(onward)
        self.failures = FailuresAnyway(onward)
        provider.add_span_processor(self.failures)
        self.spans = Spans(provider)

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.exporter.get_finished_spans()]

    def serve(self, *, fail: bool) -> None:
        with self.spans.serve("/a.B/C", _UNSAMPLED) as server:
            with self.spans.start("first", {"a": 1}):
                self.told = outgoing()[0][1]
            with self.spans.start("second", {}), self.spans.start("third", {}) as third:
                third.fail("unavailable")
            if fail:
                server.fail("all_models_failed")


def test_a_request_that_fails_is_exported_with_all_its_spans() -> None:
    traced = Traced(ParentBased(ALWAYS_ON))
    traced.serve(fail=True)
    assert traced.told.endswith("-00")  # who is called is not made to sample
    assert traced.names == ["first", "third", "second", "a.B/C"]
    spans = traced.exporter.get_finished_spans()
    assert all(span.context.trace_flags.sampled for span in spans if span.context)
    assert {span.parent.span_id for span in spans if span.parent and span.name == "third"} == {
        span.context.span_id for span in spans if span.context and span.name == "second"
    }
    assert (spans[0].attributes or {})["a"] == 1
    assert (spans[3].attributes or {})["error.type"] == "all_models_failed"


def test_a_request_that_succeeds_is_not_though_a_part_of_it_failed() -> None:
    traced = Traced(ParentBased(ALWAYS_ON))
    traced.serve(fail=False)
    assert traced.names == []
    assert not traced.failures._requests


def test_what_is_sampled_is_exported_once() -> None:
    traced = Traced(ALWAYS_ON)
    traced.serve(fail=True)
    assert sorted(traced.names) == ["a.B/C", "first", "second", "third"]


@pytest.mark.parametrize("failed", [True, False])
def test_what_ends_after_its_request_does_as_that_did(failed: bool) -> None:
    traced = Traced(ALWAYS_OFF)
    with traced.spans.serve("/a.B/C", ()) as server:
        late = traced.spans.start("late", {})
        if failed:
            server.fail("cancelled")
    with late:
        pass
    assert traced.names == (["a.B/C", "late"] if failed else [])
    assert not traced.failures._requests


def test_requests_at_once_do_not_mix() -> None:
    traced = Traced(ALWAYS_OFF)
    with traced.spans.serve("/a.B/good", _UNSAMPLED), traced.spans.serve("/a.B/bad", _UNSAMPLED) as bad:
        bad.fail("overloaded")
    assert traced.names == ["a.B/bad"]
