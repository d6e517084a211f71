"""The trace begins at the gateway, or goes on from the client's; nothing secret is in it."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from cli.collector import Collector
from gateway.stack import ASK, KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.stack import Stack, Start

pytestmark = pytest.mark.system

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


def _parent(stack: Stack) -> str:
    return str(stack.executor.calls[0].metadata["traceparent"][0])


@asynccontextmanager
async def traced(start: Start, **settings: Any) -> AsyncIterator[tuple[Stack, Collector]]:
    def patch(text: str) -> str:
        return text.replace("flush_interval_ms: 1000", "flush_interval_ms: 20")

    with Collector() as collector:
        async with start(patch, otlp_endpoint=f"http://127.0.0.1:{collector.port}", **settings) as stack:
            yield stack, collector


async def _arrive(stack: Stack, collector: Collector, trace_id: str, *names: str) -> None:
    """Wait for both spans of a trace, and for spans of these names in any."""

    async def arrived() -> bool:
        return len(collector.of(trace_id)) == 2 and {*names} <= {span.name for span in collector.spans}

    await stack.until(arrived)


async def test_a_trace_begins_here_and_its_spans_are_named_by_route(start: Start) -> None:
    async with traced(start) as (stack, collector):
        reply = await stack.orchestrate(path="/v2/orchestrate?token=CANARY")
        await stack.request("GET", "/v1/proof/prysm-0")
        await stack.request("GET", f"/nope?key={KEY}", headers={"authorization": f"Bearer {KEY}"})
        await stack.request("POST", "/v2/orchestrate", ASK, {"x-envoy-decorator-operation": "CANARY"})
        trace_id = _parent(stack).split("-")[1]
        await _arrive(stack, collector, trace_id, "POST /v2/orchestrate", "GET /v1/proof/{id}", "not_found")
        assert {span.service for span in collector.spans} == {"openprysm-gateway"}
        server, client = sorted(collector.of(trace_id), key=lambda span: span.parent_id)
        assert (server.name, server.parent_id, client.parent_id) == ("POST /v2/orchestrate", "", server.span_id)
        assert _parent(stack) == f"00-{trace_id}-{client.span_id}-01"
        assert (await stack.logged(reply))["trace_id"] == trace_id
        everything = str(collector.spans)
        assert "prysm_sk" not in everything
        assert "CANARY" not in everything
        assert "sss" not in everything


async def test_a_trace_goes_on_from_the_clients(start: Start) -> None:
    async with traced(start) as (stack, collector):
        await stack.orchestrate(traceparent=f"00-{TRACE}-{PARENT}-01", tracestate="a=b")
        assert re.fullmatch(f"00-{TRACE}-(?!{PARENT})[0-9a-f]{{16}}-01", _parent(stack))
        assert stack.executor.calls[0].metadata["tracestate"] == ["a=b"]
        await _arrive(stack, collector, TRACE)
        assert {span.name for span in collector.of(TRACE) if span.parent_id == PARENT} == {"POST /v2/orchestrate"}


async def test_what_a_client_or_the_ratio_leaves_out_is_not_kept(start: Start) -> None:
    async with traced(start, otlp_ratio=0) as (stack, collector):
        await stack.orchestrate()
        assert _parent(stack).endswith("-00")
        await stack.orchestrate(traceparent=f"00-{TRACE}-{PARENT}-00")
        assert stack.executor.calls[1].metadata["traceparent"][0].endswith("-00")  # type: ignore[arg-type]
        await stack.orchestrate(traceparent=f"00-{TRACE}-{PARENT}-01")
        await _arrive(stack, collector, TRACE)
        assert collector.spans == collector.of(TRACE)


async def test_a_collector_that_is_not_there_costs_nothing(start: Start) -> None:
    async with start(otlp_endpoint="http://127.0.0.1:1") as stack:
        assert (await stack.orchestrate()).status == 200


async def test_without_a_collector_a_clients_context_passes_and_none_is_made(start: Start) -> None:
    async with start() as stack:
        await stack.orchestrate()
        assert "traceparent" not in stack.executor.calls[0].metadata
