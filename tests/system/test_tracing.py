"""One trace from the gateway to the signature, as a real OTLP receiver sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from system.upstream import fails, says

if TYPE_CHECKING:
    from cli.collector import Collector, Span
    from system.suite import Suite
    from system.upstream import Upstream

pytestmark = pytest.mark.system

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


def has_everything(spans: list[Span]) -> bool:
    names = [span.name for span in spans]
    return {"openprysm-gateway", "openprysm-executor", "openprysm-planner", "openprysm-proof"} <= {
        span.service for span in spans
    } and any("Orchestrate" in name for name in names)


async def test_one_trace_from_the_gateway_to_the_signature(
    suite: Suite, upstream: Upstream, collector: Collector
) -> None:
    upstream.scripts["*"] = [fails(503), says("canary-answer Paris.")]
    status, body = await suite.post(
        {
            "messages": [{"role": "user", "content": "canary-prompt capital of France?"}],
            "strategy": "ensemble_moa",
            "k": 3,
        },
        {"traceparent": f"00-{TRACE}-{PARENT}-01"},
    )
    assert status == 200
    assert body["prysm"]["trace_id"] == TRACE
    spans = collector.wait_for(TRACE, has_everything)
    by_id = {span.span_id: span for span in spans}

    # Every span hangs on another one of the trace, but for the gateway's, which hangs on the client's.
    for span in spans:
        assert span.parent_id in by_id or span.parent_id == PARENT, span
    roots = [span for span in spans if span.parent_id == PARENT]
    assert [span.service for span in roots] == ["openprysm-gateway"]

    # One span an attempt, and the response names them.
    chats = {span.span_id: span for span in spans if span.name.startswith("chat ")}
    assert set(chats) == {stage["span_id"] for stage in body["prysm"]["stages"]}
    for stage in body["prysm"]["stages"]:
        span = chats[stage["span_id"]]
        assert span.name == f"chat {stage['model']}"
        assert span.attributes["gen_ai.provider.name"] == stage["provider"]
        assert span.failed is (stage["status"] != "ok")
        assert (span.end_ns - span.start_ns) / 1e6 == pytest.approx(stage["duration_ms"], abs=2)

    # From the signature back to the root.
    (signed,) = [span for span in spans if span.name.endswith("ProofService/Sign")]
    path = [signed]
    while path[-1].parent_id in by_id:
        path.append(by_id[path[-1].parent_id])
    assert [span.service.removeprefix("openprysm-") for span in path][::-1][-1] == "proof"
    assert "prysm.proof.sign" in [span.name for span in path]
    assert any(span.name.endswith("PlannerService/Plan") for span in spans)
    assert any(span.name == "invoke_workflow prysm.ensemble_moa" for span in spans)

    # No prompt, no answer, no key anywhere.
    told = repr(spans)
    assert "canary" not in told
    assert suite.key not in told
    assert "prysm_sk_" not in told


async def test_a_trace_that_the_client_does_not_sample_is_not_sent(suite: Suite, collector: Collector) -> None:
    silent = "1" * 32
    await suite.post({"messages": [{"role": "user", "content": "hi"}]}, {"traceparent": f"00-{silent}-{PARENT}-00"})
    _, body = await suite.post({"messages": [{"role": "user", "content": "hi"}]})
    assert collector.wait_for(body["prysm"]["trace_id"], has_everything)
    assert not collector.of(silent)
