"""A client asks through the real gateway and gets an answer with a proof."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING

import openai
import pytest

from cli import checking
from proof import verify
from system.suite import OPENPRYSM
from system.upstream import cuts, fails, hangs, raw, says

if TYPE_CHECKING:
    from pathlib import Path

    from system.suite import Suite
    from system.upstream import Behaviour, Upstream

pytestmark = pytest.mark.system


async def test_single_answers_with_one_call_and_the_contracts_shape(suite: Suite, upstream: Upstream) -> None:
    upstream.scripts["*"] = [says("Paris.", 100, 10)]
    body = await suite.ask(strategy="single", policy="depth", judge_model="nobody-knows-it", unknown_field=1)
    assert list(body) == [
        "id", "object", "created", "policy", "strategy", "rationale", "choices", "usage", "prysm",
    ]  # fmt: skip
    assert re.fullmatch(r"prysm-[0-9a-f]{32}", body["id"])
    assert (body["object"], body["policy"], body["strategy"]) == ("orchestration", "depth", "single")
    assert isinstance(body["created"], int)
    assert body["choices"] == [
        {"index": 0, "message": {"role": "assistant", "content": "Paris."}, "finish_reason": "stop"}
    ]
    assert body["usage"] == {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    run = body["prysm"]["orchestration"]
    assert (run["calls"], run["k"], run["forced"], run["degraded"], run["degradations"]) == (1, 1, True, False, [])
    assert run["confidence_source"] == "prior"
    assert "agreement" not in run
    assert "aggregator" not in run
    (stage,) = body["prysm"]["stages"]
    assert (stage["index"], stage["name"], stage["status"], stage["attempt"], stage["depends_on"]) == (
        0, "answer", "ok", 1, [],
    )  # fmt: skip
    assert len(upstream.calls) == 1


async def test_cost_is_exact_to_the_microdollar(suite: Suite, upstream: Upstream) -> None:
    upstream.scripts["*"] = [says("x", 1_000, 500)]
    body = await suite.ask(strategy="single", policy="depth", text="Prove that the square root of 2 is irrational")
    assert body["prysm"]["orchestration"]["models_used"] == ["gpt-5.2"]
    assert body["prysm"]["cost"] == {"total_usd": 0.00875, "estimated": False, "unpriced_calls": 0}


async def test_ensemble_crosses_three_models_and_one_writes(suite: Suite, upstream: Upstream) -> None:
    body = await suite.ask(strategy="ensemble_moa", policy="depth")
    run = body["prysm"]["orchestration"]
    assert (run["calls"], run["k"], run["agreement"], run["confidence_source"]) == (4, 3, 1, "agreement")
    names = [stage["name"] for stage in body["prysm"]["stages"]]
    assert names == ["propose"] * 3 + ["aggregate"]
    assert body["prysm"]["stages"][3]["depends_on"] == [0, 1, 2]
    assert run["aggregator"] == body["prysm"]["stages"][3]["model"]
    providers = {stage["provider"] for stage in body["prysm"]["stages"][:3]}
    assert len(providers) == 3
    assert len(upstream.calls) == 4


async def test_without_a_trace_the_stages_are_left_out(suite: Suite) -> None:
    body = await suite.ask(include_trace=False)
    assert "stages" not in body["prysm"]
    assert "bundle" not in body["prysm"]["proof"]


async def test_the_proof_is_public_and_holds_offline(suite: Suite, upstream: Upstream) -> None:
    body = await suite.ask("canary-prompt: who are you?", strategy="ensemble_moa")
    kept = body["prysm"]["proof"]
    status, public = await suite.get(kept["verify_url"])
    assert status == 200
    assert (public["verified"], public["request_id"], public["version"]) == (True, body["id"], 2)
    assert public["entry"]["proof_hash"] == kept["proof_hash"]
    checks = verify.verify(public, checking.own(suite.state), kept["transcript"].encode())
    assert [check.status for check in checks] == ["pass"] * 9
    assert public["entry"]["log_index"] == kept["log_index"] < kept["tree_size"]
    assert kept["checkpoint"].startswith(f"localhost\n{kept['tree_size']}\n")
    shown = json.dumps(public)
    assert "canary" not in shown
    assert kept["nonce"] not in shown
    assert json.loads(kept["transcript"])["messages"][0]["content"] == "canary-prompt: who are you?"
    assert upstream.calls


async def test_the_command_line_verifies_a_saved_proof_and_refuses_a_changed_one(suite: Suite, tmp_path: Path) -> None:
    body = await suite.ask()
    _, public = await suite.get(body["prysm"]["proof"]["verify_url"])
    proof, transcript = tmp_path / "proof.json", tmp_path / "transcript.json"
    proof.write_text(json.dumps(public))
    transcript.write_text(body["prysm"]["proof"]["transcript"])
    command = [OPENPRYSM, "verify", str(proof), "--key", str(suite.state / "proof-key.pub.pem")]
    command += ["--transcript", str(transcript)]
    good = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (good.returncode, "proof verified" in good.stdout) == (0, True)
    transcript.write_text(body["prysm"]["proof"]["transcript"] + " ")
    bad = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (bad.returncode, "FAIL transcript" in bad.stdout) == (1, True)


async def test_content_may_come_as_text_parts(suite: Suite, upstream: Upstream) -> None:
    parts = [{"type": "text", "text": "What is"}, {"type": "text", "text": "the capital of France?"}]
    status, body = await suite.post({"messages": [{"role": "user", "content": parts}], "strategy": "single"})
    assert status == 200, body
    assert "What is\nthe capital of France?" in json.dumps(upstream.calls[0].body, ensure_ascii=False).replace(
        "\\n", "\n"
    )


def test_plain_curl_without_a_content_type_works(suite: Suite) -> None:
    got = subprocess.run(
        ["curl", "-sS", f"{suite.url}/v2/orchestrate", "-H", f"Authorization: Bearer {suite.key}",
         "-d", '{"messages":[{"role":"user","content":"What is the capital of France?"}]}'],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "Paris" in json.loads(got.stdout)["choices"][0]["message"]["content"]


def test_openai_client_code_reads_the_answer(suite: Suite) -> None:
    with openai.OpenAI(api_key=suite.key, base_url=f"{suite.url}/v2") as client:
        answer = client.post(
            "/orchestrate",
            cast_to=openai.types.chat.ChatCompletion,
            body={"messages": [{"role": "user", "content": "What is the capital of France?"}]},
        )
    assert "Paris" in (answer.choices[0].message.content or "")
    assert answer.usage is not None
    assert answer.usage.total_tokens > 0


FAULTS = {
    "failing": (fails(500), "unavailable"),
    "refusing": (fails(401), "rejected"),
    "slow": (hangs(), "straggler"),
    "cut": (cuts(), "bad_response"),
    "garbage": (raw(b"<html>not json"), "bad_response"),
    "truncated": (raw(b'{"choices": [{"message": {"content": "Par'), "bad_response"),
    "empty": (says("  \n"), "empty_answer"),
    "redirecting": (fails(302, {"location": "http://127.0.0.1:1/"}), "bad_response"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_one_bad_proposer_of_three_degrades_the_answer_and_is_counted(
    suite: Suite, upstream: Upstream, fault: str
) -> None:
    behaviour: Behaviour = FAULTS[fault][0]
    await suite.ask(strategy="single", policy="depth", text="Prove that 1 + 1 = 2")  # closes the breaker of gpt-5.2
    upstream.reset()
    upstream.scripts["gpt-5.2"] = [behaviour]
    body = await suite.ask(strategy="ensemble_moa", policy="depth", text="Prove that 2 + 2 = 4", judge_model="grok-4")
    run = body["prysm"]["orchestration"]
    assert "Paris" in body["choices"][0]["message"]["content"]
    assert run["degraded"] is True
    assert [(item["stage"], item["reason"], item["model"]) for item in run["degradations"]] == [
        ("propose", FAULTS[fault][1], "gpt-5.2")
    ]
    assert run["calls"] == len(body["prysm"]["stages"]) == len(upstream.calls)
    assert {stage["status"] for stage in body["prysm"]["stages"] if stage["model"] == "gpt-5.2"} <= {
        "failed",
        "cancelled",
    }
    assert body["prysm"]["cost"]["total_usd"] == pytest.approx(
        sum(stage["cost_usd"] for stage in body["prysm"]["stages"]), abs=1e-9
    )


async def test_a_transient_failure_is_tried_again_and_said(suite: Suite, upstream: Upstream) -> None:
    upstream.scripts["*"] = [fails(503), says("Paris.")]
    body = await suite.ask(strategy="single", policy="depth")
    assert [(stage["status"], stage["attempt"]) for stage in body["prysm"]["stages"]] == [("failed", 1), ("ok", 2)]
    assert body["prysm"]["stages"][0]["error"] == {
        "reason": "unavailable", "message": "the provider failed with status 503",
    }  # fmt: skip
