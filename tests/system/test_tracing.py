"""One trace from the gateway to the signature, as a real OTLP receiver sees it."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from system.suite import OPENPRYSM, free_port, serving
from system.upstream import fails, says

if TYPE_CHECKING:
    from pathlib import Path

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
        # The same two readings of one clock: the same to the nanosecond.
        assert (span.end_ns - span.start_ns) / 1e6 == pytest.approx(stage["duration_ms"], abs=1e-5)
        assert by_id[span.parent_id].name == f"invoke_agent {stage['name']}"
        assert span.attributes["prysm.stage.index"] == stage["index"]

    # From the signature back to the root.
    (signed,) = [span for span in spans if span.name.endswith("ProofService/Sign")]
    path = [signed]
    while path[-1].parent_id in by_id:
        path.append(by_id[path[-1].parent_id])
    assert [span.service.removeprefix("openprysm-") for span in path][::-1][-1] == "proof"
    assert "prysm.proof.sign" in [span.name for span in path]
    assert any(span.name.endswith("PlannerService/Plan") for span in spans)
    (workflow,) = [span for span in spans if span.name == "invoke_workflow prysm.ensemble_moa"]
    told = body["prysm"]["orchestration"]
    assert workflow.attributes["prysm.agreement"] == told["agreement"]
    assert workflow.attributes["prysm.confidence"] == told["confidence"]
    assert workflow.attributes["prysm.cost.usd"] == pytest.approx(body["prysm"]["cost"]["total_usd"])

    # No prompt, no answer, no key anywhere.
    everything = repr(spans)
    assert "canary" not in everything
    assert suite.key not in everything
    assert "prysm_sk_" not in everything


async def test_a_trace_that_the_client_does_not_sample_is_not_sent(suite: Suite, collector: Collector) -> None:
    silent = "1" * 32
    await suite.post({"messages": [{"role": "user", "content": "hi"}]}, {"traceparent": f"00-{silent}-{PARENT}-00"})
    _, body = await suite.post({"messages": [{"role": "user", "content": "hi"}]})
    assert collector.wait_for(body["prysm"]["trace_id"], has_everything)
    assert not collector.of(silent)


async def test_a_failure_is_sent_although_the_client_does_not_sample(
    suite: Suite, upstream: Upstream, collector: Collector
) -> None:
    upstream.scripts["*"] = [fails(400)]
    silent = "2" * 32
    status, _ = await suite.post(
        {"messages": [{"role": "user", "content": "canary-prompt"}], "strategy": "single"},
        {"traceparent": f"00-{silent}-{PARENT}-00"},
    )
    assert status == 502
    spans = collector.wait_for(silent, lambda spans: any(span.name.endswith("/Orchestrate") for span in spans))
    assert {span.service for span in spans} == {"openprysm-executor"}
    names = [span.name for span in spans]
    assert {"plan", "invoke_workflow prysm.single", "invoke_agent answer"} <= set(names)
    assert any(name.startswith("chat ") for name in names)
    assert "canary" not in repr(spans)


async def test_texts_are_traced_only_where_the_operator_says_so(upstream: Upstream, collector: Collector) -> None:
    switched = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY"}
    with serving({**upstream.environment, **collector.environment, **switched}) as suite:
        body = await suite.ask("canary-prompt")
        spans = collector.wait_for(body["prysm"]["trace_id"], has_everything)
    (chat,) = [span for span in spans if span.name.startswith("chat ")]
    assert "canary-prompt" in chat.attributes["gen_ai.input.messages"]
    assert "Paris" in chat.attributes["gen_ai.output.messages"]
    assert "canary" not in repr([span for span in spans if span is not chat])


def test_a_trace_is_shown_in_the_terminal_without_a_backend(upstream: Upstream, tmp_path: Path) -> None:
    upstream.scripts["*"] = [says("Canberra.")]
    environment = {
        **upstream.environment,
        "OPENPRYSM_STATE": str(tmp_path),
        "OPENPRYSM_PORT": str(free_port()),
        "OPENPRYSM_LOCAL_MODELS": "off",
        "COLUMNS": "160",
        "PROMPT": "Where?",
    }
    shown = subprocess.run(
        [OPENPRYSM, "trace"], capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment}
    )
    assert (shown.returncode, shown.stderr) == (0, ""), shown
    for part in ("Where?", "Canberra.", "gateway  POST /v2/orchestrate", "PlannerService/Plan", "chat ", "tokens",
                 "invoke_workflow prysm.ensemble_moa", "confidence", "prysm.proof.commit", "17 spans"):  # fmt: skip
        assert part in shown.stdout, shown.stdout
    first, last = (shown.stdout.index(f"{word} ") for word in ("gateway", "proof"))
    assert first < last
