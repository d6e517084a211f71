"""Results as they go out, in the JSON that the gateway makes of them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import json_format

from executor.orchestrate import Offer, Outcome
from executor.wire import outgoing

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from executor.conftest import Lab
    from executor.orchestrate import Request, Result

TRACE = "0123456789abcdef" * 2


def gateway_json(message: Message) -> Any:
    """Transcode as Envoy is configured to: original names, defaults printed."""
    text = json_format.MessageToJson(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True, ensure_ascii=False
    )
    return json.loads(text)


@pytest.fixture
def body(result: Result) -> Any:
    return gateway_json(outgoing.response(result, TRACE))


def test_the_response_has_the_contract_s_keys(body: Any) -> None:
    assert set(body) == {"id", "object", "created", "policy", "strategy", "rationale", "choices", "usage", "prysm"}
    assert set(body["prysm"]) == {"orchestration", "stages", "cost", "latency", "proof", "trace_id"}
    assert set(body["prysm"]["orchestration"]) == {
        "policy",
        "strategy",
        "models_used",
        "agreement",
        "confidence",
        "confidence_source",
        "forced",
        "k",
        "aggregator",
        "calls",
        "degraded",
        "degradations",
        "confidence_parts",
    }
    assert set(body["prysm"]["proof"]) == {
        "proof_hash",
        "version",
        "id",
        "keyid",
        "nonce",
        "verify_url",
        "agreement",
        "confidence",
        "models",
        "transcript",
        "bundle",
    }


def test_the_outer_fields_say_what_the_contract_says(body: Any, result: Result) -> None:
    assert body["id"] == result.id
    assert (body["object"], body["created"]) == ("orchestration", 1_790_000_000)
    assert (body["policy"], body["strategy"], body["rationale"]) == ("balanced", "ensemble_moa", "because")
    assert body["choices"] == [
        {"index": 0, "message": {"role": "assistant", "content": "Paris."}, "finish_reason": "stop"}
    ]
    usage = body["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["prompt_tokens"] == sum(stage.prompt_tokens for stage in result.outcome.stages)


def test_the_orchestration_says_how_it_went(body: Any) -> None:
    told = body["prysm"]["orchestration"]
    assert told["models_used"] == ["a", "b", "x"]
    assert (told["agreement"], told["confidence_source"], told["aggregator"]) == (1.0, "agreement", "x")
    assert (told["calls"], told["k"], told["forced"], told["degraded"]) == (4, 3, False, True)
    (degradation,) = told["degradations"]
    assert (degradation["stage"], degradation["reason"], degradation["model"]) == ("propose", "rejected", "c")


def test_money_is_dollars_and_what_has_no_price_is_counted(body: Any, result: Result) -> None:
    cost = result.outcome.totals.cost
    assert body["prysm"]["cost"] == {"total_usd": cost / 1e12, "estimated": True, "unpriced_calls": 1}


def test_latency_is_the_critical_path_and_the_rest(body: Any) -> None:
    latency = body["prysm"]["latency"]
    assert latency["total_ms"] == 7500
    assert latency["models_ms"] == pytest.approx(6000)
    assert latency["overhead_ms"] == pytest.approx(1500)


def test_a_stage_has_the_contract_s_keys(body: Any) -> None:
    stages = body["prysm"]["stages"]
    usual = {
        "index",
        "name",
        "model",
        "provider",
        "status",
        "start_ms",
        "duration_ms",
        "prompt_tokens",
        "completion_tokens",
        "cost_usd",
        "attempt",
        "depends_on",
        "span_id",
    }
    assert [set(stage) - usual for stage in stages] == [set(), set(), {"error"}, set()]
    assert all(usual <= set(stage) for stage in stages)
    assert stages[2]["error"] == {"reason": "rejected", "message": "scripted rejected"}
    assert stages[2]["status"] == "failed"
    assert stages[3]["depends_on"] == [0, 1]
    assert [(stage["index"], stage["attempt"]) for stage in stages] == [(0, 1), (1, 1), (2, 1), (3, 1)]


def test_a_note_is_there_when_there_is_one(result: Result) -> None:
    result.outcome.stages[1].note = "dissents"
    stages = gateway_json(outgoing.response(result, TRACE))["prysm"]["stages"]
    assert [stage.get("note") for stage in stages] == [None, "dissents", None, None]


def test_a_stage_object_is_the_stage_message_in_json(result: Result, body: Any) -> None:
    for stage, shown in zip(result.outcome.stages, body["prysm"]["stages"], strict=True):
        assert gateway_json(outgoing.stage_message(stage)) == shown


def test_the_caller_gets_what_a_verifier_needs(body: Any, result: Result) -> None:
    proof = body["prysm"]["proof"]
    assert (proof["proof_hash"], proof["keyid"], proof["version"]) == ("sha256:" + "0" * 64, "SHA256:key", 2)
    assert (proof["id"], proof["verify_url"]) == (result.id, f"/v1/proof/{result.id}")
    assert proof["transcript"].encode() == result.transcript.text
    assert proof["nonce"] == result.transcript.nonce.hex()
    assert proof["bundle"] == {"mediaType": "bundle", "n": 1}
    assert body["prysm"]["trace_id"] == TRACE


def test_without_the_trace_stages_and_bundle_are_absent_and_the_rest_stays(result: Result, body: Any) -> None:
    quiet = replace(result, request=replace(result.request, include_trace=False))
    shown = gateway_json(outgoing.response(quiet, TRACE))
    assert "stages" not in shown["prysm"]
    assert "bundle" not in shown["prysm"]["proof"]
    del body["prysm"]["stages"], body["prysm"]["proof"]["bundle"]
    assert shown == body


def test_agreement_and_aggregator_are_absent_when_there_are_none(result: Result) -> None:
    alone = replace(result.outcome, answer=replace(result.outcome.answer, agreement=None, aggregator=None))
    shown = gateway_json(outgoing.response(replace(result, outcome=alone), TRACE))["prysm"]
    assert "agreement" not in shown["orchestration"]
    assert "aggregator" not in shown["orchestration"]
    assert "agreement" not in shown["proof"]


def test_an_agreement_of_nothing_is_shown_as_zero(result: Result) -> None:
    none = replace(result.outcome, answer=replace(result.outcome.answer, agreement=0.0))
    shown = gateway_json(outgoing.response(replace(result, outcome=none), TRACE))["prysm"]
    assert shown["orchestration"]["agreement"] == 0


def test_the_last_event_of_an_execution_says_the_same_as_the_response(result: Result, body: Any) -> None:
    event = gateway_json(outgoing.outcome_message(result.outcome, result.total_ms))
    assert event["choice"] == body["choices"][0]
    assert event["usage"] == body["usage"]
    assert all(event[key] == body["prysm"][key] for key in ("orchestration", "cost", "latency"))


def test_the_planner_gets_the_request_and_the_offer(request_of_all_fields: Request) -> None:
    asked = outgoing.plan_request(request_of_all_fields, Offer(("openai",), ("qwen",), ("gpt",)))
    assert [(message.role, message.text) for message in asked.messages] == [("user", "What is the capital of France?")]
    assert (asked.policy, asked.strategy, asked.k, asked.max_tokens) == ("depth", "ensemble_moa", 3, 100)
    assert (asked.max_cost_pico_usd, asked.judge_model) == (10**9, "x")
    assert (list(asked.providers), list(asked.local_models), list(asked.unhealthy_models)) == (
        ["openai"],
        ["qwen"],
        ["gpt"],
    )


def test_what_the_request_leaves_open_is_absent_for_the_planner(request_of_all_fields: Request) -> None:
    asked = outgoing.plan_request(
        replace(request_of_all_fields, strategy=None, k=None, max_cost=None), Offer((), (), ())
    )
    assert asked.strategy == ""
    assert not asked.HasField("k")
    assert not asked.HasField("max_cost_pico_usd")


def test_what_is_signed_holds_digests_and_no_text(result: Result, lab: Lab) -> None:
    outcome: Outcome = result.outcome
    record = outgoing.sign_request(result.id, result.created, outcome, result.transcript, TRACE, "0.1.0")
    data = record.SerializeToString()
    for text in [lab.question[0].text, *(stage.output for stage in outcome.stages), "scripted rejected"]:
        assert not text or text.encode() not in data
    assert result.transcript.nonce not in data
    assert record.transcript_sha256 == result.transcript.sha256
    assert [call.model for call in record.calls] == ["a", "b", "c", "x"]
    assert [call.input_digest for call in record.calls] == [digest.input for digest in result.transcript.digests]
    assert [len(call.output_digest) for call in record.calls] == [32, 32, 0, 32]
    assert [call.HasField("cost_pico_usd") for call in record.calls] == [True, True, True, False]
    assert (record.calls[0].cost_pico_usd, record.cost_estimated) == (20 * 2 + 5 * 10, True)
    assert [(item.stage, item.reason, item.model) for item in record.degradations] == [("propose", "rejected", "c")]
