"""One line a request where it comes in, and one where it is served; none of them tells a text or a key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from system.suite import wait_until

if TYPE_CHECKING:
    from system.suite import Suite

pytestmark = pytest.mark.system

SERVICES = ("gateway", "executor", "planner", "proof")


def lines(suite: Suite, trace_id: str) -> dict[str, list[dict[str, Any]]]:
    """Return service → its lines about a trace."""
    found: dict[str, list[dict[str, Any]]] = {}
    for service in SERVICES:
        read = [json.loads(line) for line in (suite.state / "logs" / f"{service}.log").read_text().splitlines()]
        if about := [line for line in read if line.get("trace_id") == trace_id]:
            found[service] = about
    return found


async def test_an_answer_has_a_line_in_the_gateway_and_one_in_the_executor(suite: Suite) -> None:
    body = await suite.ask("canary-prompt, what is the capital of France?", strategy="ensemble_moa")
    trace_id = body["prysm"]["trace_id"]
    wait_until(lambda: "gateway" in lines(suite, trace_id))  # which writes its own a little later
    found = lines(suite, trace_id)
    assert {service: len(about) for service, about in found.items()} == {"gateway": 1, "executor": 1}
    (line,) = found["executor"]
    assert (line["event"], line["code"], line["id"]) == ("rpc", "OK", body["id"])
    assert (line["policy"], line["strategy"]) == (body["policy"], body["strategy"])
    assert line["cost_usd"] == pytest.approx(body["prysm"]["cost"]["total_usd"])
    assert line["key_id"] == suite.key.split("_")[2]
    everything = "".join((suite.state / "logs" / f"{service}.log").read_text() for service in SERVICES)
    for secret in ("canary-prompt", "Paris", suite.key, body["prysm"]["proof"]["nonce"]):
        assert secret not in everything


async def test_who_refuses_has_a_line_too(suite: Suite) -> None:
    trace_id = "3" * 32
    refused = {"messages": [{"role": "user", "content": "hi"}], "compliance": {"jurisdiction": ["MARS"]}}
    status, _ = await suite.post(refused, {"traceparent": f"00-{trace_id}-{'4' * 16}-01"})
    assert status == 422
    wait_until(lambda: "gateway" in lines(suite, trace_id))
    found = lines(suite, trace_id)
    assert {service: len(about) for service, about in found.items()} == {"gateway": 1, "executor": 1, "planner": 1}
    assert [found[service][0]["reason"] for service in ("executor", "planner")] == ["no_compliant_model"] * 2


async def test_a_preview_and_a_look_up_have_their_line_where_they_are_served(suite: Suite) -> None:
    body = await suite.ask()
    traces = {"planner": "5" * 32, "proof": "6" * 32}
    headers = {service: {"traceparent": f"00-{trace_id}-{'4' * 16}-01"} for service, trace_id in traces.items()}
    async with aiohttp.ClientSession() as client:
        ask = {"prompt": "canary-prompt", "compliance": "GDPR"}
        preview = f"{suite.url}/v2/compliance/preview"
        async with client.post(preview, json=ask, headers={**suite.headers, **headers["planner"]}) as response:
            assert response.status == 200
        async with client.get(f"{suite.url}/v1/proof/{body['id']}", headers=headers["proof"]) as response:
            assert response.status == 200
    for service, trace_id in traces.items():
        wait_until(lambda trace_id=trace_id: "gateway" in lines(suite, trace_id))
        found = lines(suite, trace_id)
        assert {name: len(about) for name, about in found.items()} == {"gateway": 1, service: 1}
