"""Metrics of a running suite: both ways out tell all that the table names, rightly, and nothing that they must not."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from chassis.metrics import prometheus, table
from cli.collector import Collector
from system.suite import OPENPRYSM, free_port, serving
from system.upstream import Upstream, fails, says

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.collector import Point
    from system.suite import Suite

pytestmark = pytest.mark.system

SERVICES = ("planner", "proof", "executor")
CARD = "canary-prompt card 4111 1111 1111 1111"


def sum_of(points: list[Point], name: str, **labels: str) -> float:
    """Sum up what a metric holds under these labels, dots written as underscores."""
    return sum(
        point.value
        for point in points
        if point.name == name
        and all(point.attributes.get(label.replace("__", ".")) == value for label, value in labels.items())
    )


class Told:
    """A suite after some traffic, what its collector has heard and what Prometheus reads."""

    def __init__(self, suite: Suite, points: list[Point], texts: dict[str, str]) -> None:
        self.suite = suite
        self.points = points
        self.texts = texts


async def traffic(suite: Suite, upstream: Upstream) -> None:
    """Eleven requests, of which five are orchestrated to the end."""

    async def post(
        expected: int, text: str = "canary-prompt", headers: dict[str, str] | None = None, **fields: Any
    ) -> None:
        status, body = await suite.post({"messages": [{"role": "user", "content": text}], **fields}, headers)
        assert status == expected, body

    made = subprocess.run(
        [OPENPRYSM, "keys", "create", "canary-client"],
        env={**os.environ, "OPENPRYSM_STATE": str(suite.state)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    await post(200, headers={"authorization": f"Bearer {made.stdout.strip()}"}, strategy="single")
    await post(200, strategy="ensemble_moa", k=3, policy="depth")
    once = {"idempotency-key": "canary-key"}
    for expected, text in ((200, "x"), (200, "x"), (409, "y")):
        await post(expected, text, once, strategy="single")
    upstream.scripts["*"] = [fails(400), says("Paris.")]
    await post(200, strategy="single")  # degraded
    upstream.scripts.clear()
    await post(200, strategy="cascade", policy="depth")
    upstream.scripts["*"] = [fails(503)]
    await post(502, strategy="single")
    await post(422, strategy="canary-strategy")
    await post(422, CARD, strategy="single", compliance={"block_data_classes": ["SECRETS"], "jurisdiction": ["MARS"]})
    await post(401, headers={"authorization": "Bearer prysm_sk_" + "0" * 8 + "_" + "A" * 43})


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    port = free_port()
    listen = {"OPENPRYSM_METRICS_LISTEN": f"127.0.0.1:{port}"}
    with (
        Upstream() as upstream,
        Collector() as collector,
        serving({**upstream.environment, **collector.environment, **listen}) as suite,
    ):
        asyncio.run(traffic(suite, upstream))

        def enough(points: list[Point]) -> bool:
            ended = ("prysm.requests", "prysm.plan.duration", "prysm.proof.sign.duration")
            return [sum_of(points, name) for name in ended] == [10, 7, 5]

        points = collector.wait_for_points(enough)
        texts = {
            service: urllib.request.urlopen(f"http://127.0.0.1:{port + number}/metrics").read().decode()
            for number, service in enumerate(SERVICES)
        }
        yield Told(suite, points, texts)


def test_every_instrument_arrives_that_the_traffic_touches_and_no_other(told: Told) -> None:
    untouched = {table.HEDGES.name}
    names = {one.name for one in table.TABLE}
    assert names - untouched == {point.name for point in told.points}
    by_service = {point.service for point in told.points}
    assert by_service == {f"openprysm-{service}" for service in SERVICES}


def test_prometheus_names_the_same_metrics_with_the_same_labels(told: Told) -> None:
    known = {prometheus.metric_name(one): set(prometheus.label_names(one)) for one in table.TABLE}
    seen = set()
    for text in told.texts.values():
        for family in text_string_to_metric_families(text):
            if family.name == "target_info":
                continue
            seen.add(family.name)
            for sample in family.samples:
                assert set(sample.labels) - {"le"} == known[family.name], sample
    assert seen == set(known) - {prometheus.metric_name(table.HEDGES)}


def test_requests_are_counted_by_policy_strategy_and_outcome(told: Told) -> None:
    labels = ("prysm.policy", "prysm.strategy", "prysm.outcome")
    counts = {
        tuple(point.attributes.get(label) for label in labels): point.value
        for point in told.points
        if point.name == "prysm.requests"
    }
    assert counts == {
        ("balanced", "single", "ok"): 3,
        ("balanced", "single", "replayed"): 1,
        ("balanced", "single", "idempotency_conflict"): 1,
        ("depth", "ensemble_moa", "ok"): 1,
        ("depth", "cascade", "ok"): 1,
        ("balanced", "single", "all_models_failed"): 1,
        ("balanced", "single", "no_compliant_model"): 1,
        (None, None, "invalid_request"): 1,
    }


def test_what_happened_inside_is_counted(told: Told) -> None:
    points = told.points
    assert sum_of(points, "prysm.stage.duration", prysm__stage="aggregate") == 1
    assert sum_of(points, "gen_ai.client.operation.duration", error__type="rejected") == 1
    assert sum_of(points, "gen_ai.client.operation.duration", error__type="unavailable") >= 2
    assert sum_of(points, "prysm.degradations", prysm__stage="answer", prysm__reason="rejected") >= 1
    assert sum_of(points, "prysm.escalations", prysm__reason="unsure") >= 1
    assert sum_of(points, "prysm.cost") > 0
    assert sum_of(points, "prysm.plans", prysm__strategy="single", prysm__forced="true") >= 4
    assert sum_of(points, "prysm.compliance.decisions", prysm__outcome="none", prysm__pack="own") == 1
    assert sum_of(points, "prysm.compliance.exclusions", prysm__rule="jurisdiction") > 1
    assert sum_of(points, "prysm.log.size") == sum_of(points, "prysm.proof.sign.duration", prysm__outcome="ok") == 5
    for outcome in ("claimed", "kept", "conflict"):
        assert sum_of(points, "prysm.idempotency.claims", prysm__outcome=outcome) == 1
    assert sum_of(points, "rpc.server.call.duration", error__type="invalid_api_key") == 1
    assert sum_of(points, "prysm.rpc.active") == 0


def test_no_metric_holds_a_prompt_an_answer_a_key_or_a_clients_word(told: Told) -> None:
    everything = repr(told.points) + "".join(told.texts.values())
    key_id = told.suite.key.split("_")[2]
    for secret in ("canary", "4111", "Paris", told.suite.key, key_id):
        assert secret not in everything
    assert not re.search(r"(?<!open)prysm-", everything)  # no request's id
    values = {str(value) for point in told.points for value in point.attributes.values()}
    assert len(values) < 100
    assert all(len(value) < 80 for value in values)
