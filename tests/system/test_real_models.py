"""`make run`, as a newcomer sees it: real weights, real answers, a proof that holds."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import aiohttp
import pytest

from local.settings import LocalSettings
from system.suite import OPENPRYSM, free_port, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from system.suite import Suite

pytestmark = [pytest.mark.system, pytest.mark.models]


def test_run_prints_an_answer_of_several_models_and_a_verified_proof(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "OPENPRYSM_LOCAL_MODELS": "small",
        "OPENPRYSM_STATE": str(tmp_path / "state"),
        "OPENPRYSM_PORT": str(free_port()),
        "PROMPT": "What is the capital of France?",
        "COLUMNS": "120",
    }
    process = subprocess.Popen(
        [OPENPRYSM, "run"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if "Ctrl-C" in line:
            break
    process.send_signal(signal.SIGINT)
    said += process.communicate(timeout=60)[0]
    assert process.returncode == 0, said
    assert "What is the capital of France?" in said
    assert "qwen2.5-coder-0.5b" in said
    assert "smollm2-135m" in said
    assert "proof verified" in said
    assert said.rstrip().endswith("stopped")


async def test_a_gguf_file_of_the_operators_own_is_a_model_like_any_other(tmp_path: Path) -> None:
    weights = LocalSettings().weights / "SmolLM2-135M-Instruct.Q4_1.gguf"
    settings = {"OPENPRYSM_GGUF": f"my-own={weights}"}
    with serving(settings, tmp_path / "state") as suite:
        body = await suite.ask("Say hello.", max_tokens=16, strategy="single")
    assert body["prysm"]["orchestration"]["models_used"] == ["my-own"]
    assert body["choices"][0]["message"]["content"].strip()
    assert body["prysm"]["cost"] == {"total_usd": 0, "estimated": False, "unpriced_calls": 0}


async def test_the_embedded_server_runs_also_for_vectors_alone(tmp_path: Path) -> None:
    settings = {"OPENPRYSM_EMBEDDINGS": "local", "OPENPRYSM_WEIGHTS": str(LocalSettings().weights)}
    with serving(settings, tmp_path / "state") as suite:
        connector = aiohttp.UnixConnector(str(suite.state / "run" / "local.sock"))
        async with aiohttp.ClientSession("http://local", connector=connector) as client:
            body = {"model": "all-minilm-l6-v2", "input": "Hello"}
            async with client.post("/v1/embeddings", json=body) as answer:
                assert len((await answer.json())["data"][0]["embedding"]) == 384
        status, refused = await suite.post({"messages": [{"role": "user", "content": "Say hello."}]})
    assert (status, refused["detail"]["error"]) == (503, "no_provider_available")


async def test_killed_embedded_models_mean_documented_failures_and_then_answers_again(tmp_path: Path) -> None:
    with serving({"OPENPRYSM_LOCAL_MODELS": "small"}, tmp_path / "state") as suite:
        question = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 8, "strategy": "single"}
        assert (await suite.post(question))[0] == 200
        os.kill(suite.pid_of("local"), signal.SIGKILL)
        seen: set[tuple[int, str]] = set()
        for _ in range(600):
            status, body = await suite.post(question)
            if status == 200 and seen:
                break
            if status != 200:
                seen.add((status, body["detail"]["error"]))
            await asyncio.sleep(0.05)
        assert status == 200
        assert seen <= {(502, "all_models_failed"), (503, "no_provider_available")}
    assert "local died: killed by SIGKILL; starting it again" in "".join(suite.lines)


@pytest.fixture(scope="module")
def real_suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """A suite of the embedded models alone."""
    with serving({"OPENPRYSM_LOCAL_MODELS": "small"}, tmp_path_factory.mktemp("real") / "state") as running:
        yield running


QUESTIONS = {
    "single": "What is the capital of France?",
    "cascade": "What is 12 + 30? Answer with the number only.",
    "ensemble_moa": "Why is the sky blue? One sentence.",
    "rank_fuse": "Give one good reason to learn to swim.",
    "decompose_and_route": "Name the capital of France, and also say what 6 times 7 is.",
    "self_consistency": "What is 6 times 7? Answer with the number only.",
    "debate": "Is a tomato a fruit or a vegetable? One word.",
}


@pytest.mark.parametrize("strategy", QUESTIONS)
async def test_every_strategy_answers_with_real_models_and_proves_it(real_suite: Suite, strategy: str) -> None:
    body = await real_suite.ask(QUESTIONS[strategy], strategy=strategy, max_tokens=40, temperature=0)
    run = body["prysm"]["orchestration"]
    assert (body["strategy"], run["calls"]) == (strategy, len(body["prysm"]["stages"]))
    assert body["choices"][0]["message"]["content"].strip()
    assert 0 < run["confidence"] < 1
    assert {stage["provider"] for stage in body["prysm"]["stages"]} == {"local"}
    status, proof = await real_suite.get(body["prysm"]["proof"]["verify_url"])
    assert (status, proof["verified"]) == (200, True)
