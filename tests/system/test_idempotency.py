"""The same idempotency key twice: one run, one answer, and nothing of it to read on the disk."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from system.events import events_of
from system.suite import OPENPRYSM, serving
from system.upstream import Upstream, fails, hangs, says

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cli.collector import Collector, Span
    from system.suite import Suite

pytestmark = pytest.mark.system

ENSEMBLE: dict[str, Any] = {
    "messages": [{"role": "user", "content": "canary-prompt: the capital of France?"}],
    "strategy": "ensemble_moa",
}
PARENT = "b7ad6b7169203331"
SINGLE = {**ENSEMBLE, "strategy": "single"}


@dataclass(frozen=True)
class Reply:
    """What came back, byte by byte."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def error(self) -> tuple[int, str]:
        return self.status, json.loads(self.body)["detail"]["error"]

    @property
    def message(self) -> str:
        return str(json.loads(self.body)["detail"]["message"])


async def ask(suite: Suite, body: Any, key: str | list[str] = "", api_key: str = "", trace_id: str = "") -> Reply:
    headers = [("authorization", f"Bearer {api_key or suite.key}")]
    headers += [("traceparent", f"00-{trace_id}-{PARENT}-01")] if trace_id else []
    headers += [("idempotency-key", one) for one in ([key] if isinstance(key, str) else key) if key]
    async with (
        aiohttp.ClientSession() as client,
        client.post(f"{suite.url}/v2/orchestrate", json=body, headers=headers) as got,
    ):
        return Reply(got.status, await got.read(), got.headers)


def new_api_key(suite: Suite) -> str:
    environment = {**os.environ, "OPENPRYSM_STATE": str(suite.state)}
    made = subprocess.run([OPENPRYSM, "keys", "create", "another"], env=environment, capture_output=True, check=True)
    return made.stdout.decode().strip()


async def test_the_same_key_gets_the_same_bytes_and_spends_nothing(suite: Suite, upstream: Upstream) -> None:
    first = await ask(suite, ENSEMBLE, "twice")
    assert first.status == 200
    spent = len(upstream.calls)
    upstream.scripts["*"] = [says("Another answer.")]
    for _ in range(3):
        again = await ask(suite, ENSEMBLE, "twice")
        assert (again.status, again.body) == (200, first.body)
    assert len(upstream.calls) == spent


async def test_field_and_header_are_one_key(suite: Suite, upstream: Upstream) -> None:
    first = await ask(suite, {**SINGLE, "idempotency_key": "one"})
    again = await ask(suite, SINGLE, "one")
    both = await ask(suite, {**SINGLE, "idempotency_key": "one"}, ["one", "one"])
    assert first.status == 200
    assert first.body == again.body == both.body
    assert len(upstream.calls) == 1
    wide = await ask(suite, {**SINGLE, "idempotency_key": "ключ"}, "ключ")
    assert (await ask(suite, SINGLE, "ключ")).body == wide.body != first.body


async def test_without_a_key_every_request_runs(suite: Suite, upstream: Upstream) -> None:
    first, again = await ask(suite, SINGLE), await ask(suite, {**SINGLE, "idempotency_key": ""})
    assert json.loads(first.body)["id"] != json.loads(again.body)["id"]
    assert len(upstream.calls) == 2


async def test_another_body_is_a_conflict(suite: Suite, upstream: Upstream) -> None:
    assert (await ask(suite, SINGLE, "conflict")).status == 200
    for body in ({**SINGLE, "k": 1}, {**SINGLE, "temperature": 0}, ENSEMBLE):
        refused = await ask(suite, body, "conflict")
        assert refused.error == (409, "idempotency_conflict")
        assert "retry-after" not in refused.headers
    assert len(upstream.calls) == 1


async def test_another_clients_key_of_the_same_name_is_another_key(suite: Suite, upstream: Upstream) -> None:
    mine = await ask(suite, SINGLE, "shared")
    yours = await ask(suite, {**SINGLE, "temperature": 0}, "shared", new_api_key(suite))
    assert (mine.status, yours.status) == (200, 200)
    assert json.loads(mine.body)["id"] != json.loads(yours.body)["id"]
    assert len(upstream.calls) == 2


async def test_of_twins_one_runs_and_the_other_is_told_to_wait(suite: Suite, upstream: Upstream) -> None:
    upstream.scripts["*"] = [hangs()]
    running = asyncio.create_task(ask(suite, SINGLE, "twins"))
    while not upstream.calls:
        await asyncio.sleep(0.01)
    twin, other = await ask(suite, SINGLE, "twins"), await ask(suite, ENSEMBLE, "twins")
    assert twin.error == (409, "idempotency_in_progress")
    assert 1 <= int(twin.headers["retry-after"]) <= 5
    assert other.error == (409, "idempotency_conflict")
    assert len(upstream.calls) == 1
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_of_twenty_at_once_one_spends(suite: Suite, upstream: Upstream) -> None:
    replies = await asyncio.gather(*(ask(suite, SINGLE, "twenty") for _ in range(20)))
    good = [reply.body for reply in replies if reply.status == 200]
    assert good
    assert len(set(good)) == 1
    assert {reply.error for reply in replies if reply.status != 200} <= {(409, "idempotency_in_progress")}
    assert len(upstream.calls) == 1


async def test_a_client_that_left_may_ask_again(suite: Suite, upstream: Upstream) -> None:
    upstream.scripts["*"] = [hangs()]
    leaving = asyncio.create_task(ask(suite, SINGLE, "left"))
    while not upstream.calls:
        await asyncio.sleep(0.01)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    assert await asyncio.to_thread(upstream.cancelled.wait, 10)
    upstream.scripts["*"] = [says("Paris.")]
    async with asyncio.timeout(10):
        while (again := await ask(suite, SINGLE, "left")).status == 409:
            await asyncio.sleep(0.01)
    assert json.loads(again.body)["choices"][0]["message"]["content"] == "Paris."


@pytest.mark.parametrize(
    ("body", "key", "named"),
    [
        ({**SINGLE, "idempotency_key": "x" * 129}, "", "idempotency_key: "),
        ({**SINGLE, "idempotency_key": "a\tb"}, "", "idempotency_key: "),
        (SINGLE, "x" * 129, "Idempotency-Key: "),
        (SINGLE, [""], "Idempotency-Key: "),
        (SINGLE, ["a", "b"], "Idempotency-Key: "),
        ({**SINGLE, "idempotency_key": "a"}, "b", "Idempotency-Key and idempotency_key: "),
        ({**SINGLE, "idempotency_key": 5}, "", "idempotency_key: must be a string"),
    ],
)
async def test_a_bad_key_is_refused_by_the_name_of_its_place(
    suite: Suite, upstream: Upstream, body: Any, key: str | list[str], named: str
) -> None:
    refused = await ask(suite, body, key)
    assert refused.error == (422, "invalid_request")
    assert refused.message.startswith(named)
    assert not upstream.calls


async def test_what_is_refused_or_fails_leaves_its_key_free(suite: Suite, upstream: Upstream) -> None:
    assert (await ask(suite, {**SINGLE, "k": 9}, "again")).error == (422, "invalid_request")
    assert (await ask(suite, {**SINGLE, "strategy": "guess"}, "again")).error == (422, "invalid_request")
    upstream.scripts["*"] = [fails(401)]
    assert (await ask(suite, SINGLE, "again")).error == (502, "all_models_failed")
    upstream.scripts["*"] = [says("Paris.")]
    assert (await ask(suite, SINGLE, "again")).status == 200


async def test_claim_and_completion_are_in_the_trace_and_no_key_is(
    suite: Suite, upstream: Upstream, collector: Collector
) -> None:
    upstream.scripts["*"] = [says("canary-answer: Paris.")]
    trace_id = secrets.token_hex(16)
    assert (await ask(suite, SINGLE, "canary-traced", trace_id=trace_id)).status == 200

    def whole(spans: list[Span]) -> bool:
        names = " ".join(span.name for span in spans)
        return all(
            name in names for name in ("Service/Claim", "Service/Complete", "Service/Sign", "Service/Orchestrate")
        )

    told = repr(collector.wait_for(trace_id, whole))
    assert "canary" not in told
    assert "prysm_sk_" not in told
    assert suite.key.split("_", 3)[3] not in told


@pytest.fixture(scope="module")
def own_upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture(scope="module")
def mortal(own_upstream: Upstream) -> Iterator[Suite]:
    """A suite whose services may be killed."""
    with serving(own_upstream.environment) as running:
        yield running


async def test_a_response_outlives_every_service(mortal: Suite, own_upstream: Upstream) -> None:
    own_upstream.reset()
    first = await ask(mortal, ENSEMBLE, "outlives")
    spent = len(own_upstream.calls)
    old = {name: mortal.pid_of(name) for name in ("executor", "proof")}
    for pid in old.values():
        os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(20):
        while (again := await ask(mortal, ENSEMBLE, "outlives")).status != 200:
            assert again.error in {(502, "orchestration_error"), (503, "overloaded")}
            await asyncio.sleep(0.05)
    assert again.body == first.body
    assert len(own_upstream.calls) == spent


async def test_what_cannot_be_claimed_does_not_run(mortal: Suite, own_upstream: Upstream) -> None:
    own_upstream.reset()
    proof = mortal.pid_of("proof")
    os.kill(proof, signal.SIGSTOP)
    try:
        assert (await ask(mortal, SINGLE, "unreachable")).error == (502, "orchestration_error")
    finally:
        os.kill(proof, signal.SIGCONT)
    assert not own_upstream.calls
    async with asyncio.timeout(10):  # the claim that came through after all is given up
        while (again := await ask(mortal, SINGLE, "unreachable")).status == 409:
            await asyncio.sleep(0.05)
    assert again.status == 200


async def test_prompt_answer_and_keys_are_nowhere_to_be_read(own_upstream: Upstream) -> None:
    own_upstream.reset()
    own_upstream.scripts["*"] = [says("canary-answer: Paris.")]
    with serving({**own_upstream.environment, "OPENPRYSM_LOG_LEVEL": "debug"}) as suite:
        first = await ask(suite, ENSEMBLE, "canary-idempotency")
        assert b"canary-answer" in first.body
        own_upstream.scripts["*"] = [fails(500)]
        assert (await ask(suite, SINGLE, "canary-failing")).error == (502, "all_models_failed")
        assert (await ask(suite, SINGLE, "canary-idempotency")).error == (409, "idempotency_conflict")
        secret = suite.key.split("_", 3)[3]
        files = list(suite.state.glob("proof*.db*"))
        assert {"proof.db", "proof-idempotency.db"} <= {file.name for file in files}
        kept = b"".join(file.read_bytes() for file in files)
        told = "".join(suite.lines).encode() + b"".join(log.read_bytes() for log in suite.state.rglob("*.log"))
    assert b"IdempotencyService/Claim" in told
    for canary in (b"canary", secret.encode(), first.body[100:140]):
        assert canary not in kept
        assert canary not in told


async def test_a_stream_replays_the_answer_of_an_earlier_request_and_spends_nothing(
    suite: Suite, upstream: Upstream
) -> None:
    first = await ask(suite, SINGLE, "streamed later")
    events = await events_of(suite, {"idempotency-key": "streamed later"}, **SINGLE)
    assert [event["type"] for event in events] == ["answer.delta", "result"]
    assert events[-1]["result"] == json.loads(first.body)
    assert len(upstream.calls) == 1
