"""A policy, as a client meets it: previewed, enforced, attested, proven."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import rfc8785

from cli import checking
from proof import verify
from system.upstream import fails

if TYPE_CHECKING:
    from system.suite import Suite
    from system.upstream import Upstream

pytestmark = pytest.mark.system

EUROPE = {"jurisdiction": ["eu"], "frameworks": ["gdpr"], "data_residency": ["EU"]}
AWS_KEY = "AKIAIOSFODNN7EXAMPLE"
STRATEGIES = (
    "single", "cascade", "ensemble_moa", "rank_fuse", "decompose_and_route", "self_consistency", "debate",
)  # fmt: skip


async def preview(suite: Suite, **body: Any) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as client,
        client.post(f"{suite.url}/v2/compliance/preview", json=body, headers=suite.headers) as got,
    ):
        return got.status, await got.json()


async def packs(suite: Suite) -> Any:
    async with (
        aiohttp.ClientSession() as client,
        client.get(f"{suite.url}/v1/compliance/packs", headers=suite.headers) as got,
    ):
        assert got.status == 200
        return (await got.json())["packs"]


def hosts(upstream: Upstream) -> set[str]:
    return {call.body["model"] for call in upstream.calls}


async def test_europe_leaves_mistral_alone_of_the_hosted_providers(suite: Suite, upstream: Upstream) -> None:
    status, said = await preview(suite, prompt="Hello", compliance=EUROPE)
    assert status == 200
    assert said["allowed_models"] == ["mistral-large-3", "mistral-small-4"]
    assert "jurisdiction 'US' not in ['EU']" in said["excluded_models"]["gpt-5.2"]
    assert (said["active"], said["ok"], said["matrix_version"]) == (True, True, "rcm-2026.11")
    assert said["policy"]["jurisdiction"] == ["EU"]
    assert said["decision"]["excluded_count"] == len(said["decision"]["excluded"])
    assert said["sample_attestation"].startswith("sha256:")
    assert "note" not in said
    assert not upstream.calls


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_every_strategy_asks_only_whom_the_policy_leaves(suite: Suite, upstream: Upstream, strategy: str) -> None:
    body = await suite.ask("Why do cities grow? Compare the reasons.", strategy=strategy, compliance=EUROPE)
    assert {stage["provider"] for stage in body["prysm"]["stages"]} == {"mistral"}
    assert hosts(upstream) <= {"mistral-large-2512", "mistral-small-2603"}
    _, said = await preview(suite, prompt="Why do cities grow? Compare the reasons.", compliance=EUROPE)
    decided = body["prysm"]["compliance"]
    assert decided["allowed"] == said["allowed_models"]
    assert decided["excluded"].items() <= said["excluded_models"].items()


async def test_when_all_that_is_left_fails_nobody_else_is_asked(suite: Suite, upstream: Upstream) -> None:
    upstream.scripts["*"] = [fails(500)]
    status, body = await suite.post(
        {"messages": [{"role": "user", "content": "Hello"}], "compliance": EUROPE, "judge_model": "gpt-5.2"}
    )
    assert (status, body["detail"]["error"]) == (502, "all_models_failed")
    assert hosts(upstream) <= {"mistral-large-2512", "mistral-small-2603"}


async def test_the_attestation_is_recomputable_from_what_the_caller_gets(suite: Suite) -> None:
    body = await suite.ask("Hello", strategy="ensemble_moa", compliance="eu-sovereign")
    kept = body["prysm"]["proof"]
    transcript = json.loads(kept["transcript"])
    models = list(dict.fromkeys(call["model"] for call in transcript["calls"]))
    decision = transcript["compliance"]["decision"]
    digest = hashlib.sha256(
        rfc8785.dumps({"decision": decision, "models": models, "request_id": transcript["request_id"]})
    ).hexdigest()
    assert kept["compliance"]["attestation"] == f"sha256:{digest}" == transcript["compliance"]["attestation"]
    assert {**body["prysm"]["compliance"], "policy": None} == {**decision, "policy": None}
    assert body["prysm"]["compliance"]["policy_active"] is True
    statement = json.loads(base64.b64decode(kept["bundle"]["dsseEnvelope"]["payload"]))
    assert statement["predicate"]["compliance"] == {
        "decision": "sha256:" + hashlib.sha256(rfc8785.dumps(decision)).hexdigest(),
        "attestation": kept["compliance"]["attestation"],
        "matrix_version": "rcm-2026.11",
    }

    _, public = await suite.get(kept["verify_url"])
    checks = verify.verify(public, checking.own(suite.state), kept["transcript"].encode())
    assert {check.status for check in checks} == {"pass"}


async def test_a_stream_under_an_impossible_policy_is_refused_like_a_single_answer(suite: Suite) -> None:
    messages = [{"role": "user", "content": "Hello"}]
    status, body = await suite.post({"messages": messages, "compliance": {"jurisdiction": ["MARS"]}, "stream": True})
    assert (status, body["detail"]["error"]) == (422, "no_compliant_model")


async def test_a_secret_in_any_message_leaves_nobody_and_calls_nobody(suite: Suite, upstream: Upstream) -> None:
    messages = [
        {"role": "system", "content": f"The key is {AWS_KEY}."},
        {"role": "user", "content": "What is the capital of France?"},
    ]
    status, body = await suite.post({"messages": messages, "compliance": {"block_data_classes": ["secrets"]}})
    assert (status, body["detail"]["error"]) == (422, "no_compliant_model")
    assert "block_data_classes excludes 12" in body["detail"]["message"]
    assert AWS_KEY not in json.dumps(body)
    assert not upstream.calls
    assert AWS_KEY not in "".join(path.read_text() for path in (suite.state / "logs").glob("*"))


async def test_a_policy_without_rules_is_as_good_as_none(suite: Suite) -> None:
    body = await suite.ask("Hello", compliance={})
    assert "compliance" not in body["prysm"]
    assert "compliance" not in body["prysm"]["proof"]
    _, said = await preview(suite, prompt="Hello", compliance={"jurisdiction": []})
    assert (said["active"], said["ok"], bool(said["note"])) == (False, True, True)
    assert said["excluded_models"] == {}


@pytest.mark.parametrize(
    ("text", "classification"),
    [
        ("Pay to DE89 3704 0044 0532 0130 00", {"FINANCIAL": ["iban"]}),
        ("patient MRN 12345", {"PHI": ["mrn"]}),
        (f"use {AWS_KEY}", {"SECRETS": ["aws_access_key"]}),
        ("What is the capital of France?", {}),
    ],
)
async def test_a_preview_says_what_a_text_holds_and_never_the_text(
    suite: Suite, text: str, classification: dict[str, list[str]]
) -> None:
    for given in ({"prompt": text}, {"messages": [{"role": "user", "content": text}]}):
        status, said = await preview(suite, **given, brain_config={"compliance": "GDPR"})
        assert (status, said["classification"]) == (200, classification)
        assert said["policy"]["frameworks"] == ["GDPR"]
        assert text not in json.dumps(said)


async def test_a_preview_needs_something_to_classify(suite: Suite) -> None:
    status, said = await preview(suite, compliance="GDPR")
    assert (status, said["detail"]["error"]) == (422, "invalid_request")


async def test_the_packs_are_policies_that_can_be_named(suite: Suite) -> None:
    named = await packs(suite)
    assert set(named) == {"GDPR", "HIPAA", "LGPD", "PIPL", "EU-SOVEREIGN", "PCI-DSS"}
    for name, policy in named.items():
        _, by_name = await preview(suite, prompt="Hello", compliance=name)
        _, by_rules = await preview(suite, prompt="Hello", compliance=policy)
        assert by_name["decision"] == by_rules["decision"]
