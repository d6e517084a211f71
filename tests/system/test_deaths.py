"""Services die; the client gets a documented failure, and then answers again."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from system.suite import serving, wait_until
from system.upstream import Upstream, hangs, says

if TYPE_CHECKING:
    from collections.abc import Iterator

    from system.suite import Suite

pytestmark = pytest.mark.system

DOCUMENTED = {
    (502, "orchestration_error"),
    (503, "overloaded"),
    (503, "no_provider_available"),
    (504, "deadline_exceeded"),
}


@pytest.fixture(scope="module")
def own_upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture(scope="module")
def mortal(own_upstream: Upstream) -> Iterator[Suite]:
    """A suite whose services may be killed."""
    with serving(own_upstream.environment) as running:
        yield running


@pytest.mark.parametrize("service", ["planner", "proof", "executor", "gateway"])
async def test_a_killed_service_means_documented_failures_and_then_recovery(mortal: Suite, service: str) -> None:
    before = await mortal.ask()
    os.kill(mortal.pid_of(service), signal.SIGKILL)
    answered = 0
    until = time.monotonic() + 20
    while answered < 3:
        assert time.monotonic() < until, "it did not recover"
        try:
            status, body = await mortal.post({"messages": [{"role": "user", "content": "capital of France?"}]})
        except OSError:  # nobody listens while the gateway itself is dead
            assert service == "gateway"
            await asyncio.sleep(0.05)
            continue
        if status == 200:
            answered += 1
        else:
            answered = 0
            assert (status, body["detail"]["error"]) in DOCUMENTED
    status, kept = await mortal.get(before["prysm"]["proof"]["verify_url"])
    assert (status, kept["verified"]) == (200, True)


async def test_when_signing_is_impossible_no_answer_is_passed_off_as_proven(
    mortal: Suite, own_upstream: Upstream
) -> None:
    own_upstream.reset()
    os.kill(mortal.pid_of("proof"), signal.SIGSTOP)
    try:
        status, body = await mortal.post({"messages": [{"role": "user", "content": "capital of France?"}]})
        assert (status, body["detail"]["error"]) == (502, "orchestration_error")
    finally:
        os.kill(mortal.pid_of("proof"), signal.SIGCONT)
    assert (await mortal.ask())["prysm"]["proof"]["proof_hash"].startswith("sha256:")


async def test_a_client_that_leaves_has_its_model_calls_cancelled_within_a_second(
    mortal: Suite, own_upstream: Upstream
) -> None:
    own_upstream.reset()
    own_upstream.scripts["*"] = [hangs()]
    asking = asyncio.create_task(mortal.ask(strategy="ensemble_moa", k=3))
    while len(own_upstream.calls) < 3 and not asking.done():
        await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    left = time.monotonic()
    wait_until(lambda: all(call.cancelled for call in own_upstream.calls), 5)
    assert time.monotonic() - left < 1
    own_upstream.reset()


async def test_a_stopped_suite_finishes_what_is_running_and_leaves_nobody_behind(own_upstream: Upstream) -> None:
    own_upstream.reset()

    async def slowly(*arguments: object) -> object:
        await asyncio.sleep(1)
        return await says("Paris, slowly.")(*arguments)  # type: ignore[arg-type]

    with serving(own_upstream.environment) as suite:
        own_upstream.scripts["*"] = [slowly]  # type: ignore[list-item]
        asking = asyncio.create_task(suite.ask(strategy="single"))
        while not own_upstream.calls and not asking.done():
            await asyncio.sleep(0.01)
        pids = [suite.pid_of(name) for name in ("planner", "proof", "executor", "gateway")]
        suite.process.send_signal(signal.SIGTERM)
        body = await asking
        assert body["choices"][0]["message"]["content"] == "Paris, slowly."
        wait_until(lambda: suite.process.poll() is not None, 30)
        assert suite.process.returncode == 0
        assert not [pid for pid in pids if os.path.exists(f"/proc/{pid}")]  # noqa: ASYNC240, PTH110
