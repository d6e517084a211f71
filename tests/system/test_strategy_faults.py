"""Every strategy with a model that misbehaves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from system.roles import STRATEGIES, run_of, said, script
from system.upstream import cuts, fails, hangs, raw, says

if TYPE_CHECKING:
    from system.suite import Suite
    from system.upstream import Upstream

pytestmark = pytest.mark.system

FAULTS = {
    "error": fails(500),
    "limited": fails(429, {"retry-after": "60"}),
    "hang": hangs(),
    "cut": cuts(),
    "truncated": raw(b'{"choices": [{"message": {"content": "Par'),
    "empty": says(" \n"),
    "another language": says("巴黎是法国的首都。"),
    "absurd usage": says("The capital of France is Paris.", -5, 10**15),
}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("fault", FAULTS)
async def test_one_model_that_misbehaves_costs_no_answer(
    suite: Suite, upstream: Upstream, strategy: str, fault: str
) -> None:
    upstream.scripts["*"] = [script()]
    text = f"Write a poem about the sea, and about {fault}."
    first = (await suite.ask(strategy=strategy, policy="depth", text=text))["prysm"]["stages"][0]["model"]
    bad = upstream.calls[0].model
    upstream.reset()
    upstream.scripts["*"], upstream.scripts[bad] = [script()], [FAULTS[fault]]
    body = await suite.ask(strategy=strategy, policy="depth", text=text)
    assert said(body).strip()
    assert run_of(body)["calls"] <= 16
    assert body["prysm"]["cost"]["total_usd"] >= 0
    if fault not in {"another language", "absurd usage"}:
        assert run_of(body)["degraded"]
        assert first in {item["model"] for item in run_of(body)["degradations"]}
    if fault == "absurd usage":
        assert body["prysm"]["cost"]["estimated"]


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_when_all_fail_the_counts_are_told_and_no_words_of_a_provider(
    suite: Suite, upstream: Upstream, strategy: str
) -> None:
    upstream.scripts["*"] = [fails(400)]
    status, body = await suite.post(
        {"messages": [{"role": "user", "content": "Write a poem."}], "strategy": strategy, "policy": "depth"}
    )
    assert (status, body["detail"]["error"]) == (502, "all_models_failed")
    assert "rejected" in body["detail"]["message"]
    assert "canary" not in json.dumps(body)
