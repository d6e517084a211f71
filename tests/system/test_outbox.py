"""Runs that could not be signed: clients hear of it, nothing of them is to be read, and each is proven later, once."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from openprysm.proof.v2 import proof_pb2
from system.events import events_of
from system.suite import serving, wait_until
from system.upstream import Upstream, says

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web

    from system.suite import Suite
    from system.upstream import Behaviour

pytestmark = pytest.mark.system

PROMISE = re.compile(r"the run could not be signed, .*; its proof will be at (/v1/proof/(prysm-[0-9a-f]{32}))")
QUESTION: dict[str, Any] = {
    "messages": [{"role": "user", "content": "canary-prompt: the capital of France?"}],
    "strategy": "single",
}
#: Signing takes as long as the request may, so that a test does not wait for more.
QUICK = {"OPENPRYSM_REQUEST_TIMEOUT_S": "3"}


@pytest.fixture(scope="module")
def own_upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture(scope="module")
def running(own_upstream: Upstream) -> Iterator[Suite]:
    """A suite whose services may be stopped and killed."""
    with serving({**own_upstream.environment, **QUICK, "OPENPRYSM_LOG_LEVEL": "debug"}) as suite:
        yield suite


@pytest.fixture
def upstream(own_upstream: Upstream) -> Iterator[Upstream]:
    own_upstream.reset()
    own_upstream.scripts["*"] = [says("canary-answer: Paris.")]
    yield own_upstream
    own_upstream.reset()


@contextmanager
def paused(suite: Suite) -> Iterator[None]:
    """A proof service that answers nobody."""
    pid = suite.pid_of("proof")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def waiting(suite: Suite) -> set[str]:
    """Return the ids of the runs that wait."""
    return {path.name for path in (suite.state / "outbox").iterdir()}


async def promised(suite: Suite, headers: dict[str, str] | None = None) -> str:
    """Ask, get no answer, and return the id under which its proof will be found."""
    status, body = await suite.post(QUESTION, headers)
    assert (status, body["detail"]["error"]) == (502, "orchestration_error"), body
    promise = PROMISE.fullmatch(body["detail"]["message"])
    assert promise, body
    return promise[2]


async def log_size(suite: Suite) -> int:
    async with aiohttp.ClientSession() as client, client.get(f"{suite.url}/checkpoint") as got:
        return int((await got.text()).split("\n")[1])


async def proven(suite: Suite, ids: set[str]) -> None:
    """Wait until nothing waits; then each run has a proof that holds, and no two share an entry."""
    async with asyncio.timeout(40):
        while waiting(suite):
            await asyncio.sleep(0.05)
    places = set()
    for proof_id in ids:
        status, found = await suite.get(f"/v1/proof/{proof_id}")
        assert (status, found["verified"], found["request_id"]) == (200, True, proof_id)
        places.add(found["entry"]["log_index"])
    assert len(places) == len(ids)


async def test_while_nobody_signs_runs_are_kept_without_a_text_and_proven_once_when_somebody_does(
    running: Suite, upstream: Upstream
) -> None:
    await running.ask()
    size = await log_size(running)
    with paused(running):
        ids = set(await asyncio.gather(*(promised(running) for _ in range(6))))
        assert len(ids) == 6
        assert waiting(running) == ids
        files = [path.read_bytes() for path in (running.state / "outbox").iterdir()]
    records = [proof_pb2.SignRequest.FromString(content.split(b"\n", 2)[2]) for content in files]
    assert {record.request_id for record in records} == ids
    for canary in (b"canary", b"Paris", b"France", running.key.split("_", 3)[3].encode()):
        assert not any(canary in content for content in files)
    assert len(upstream.calls) == 7
    await proven(running, ids)
    assert await log_size(running) == size + 6
    told = (running.state / "logs" / "executor.log").read_bytes()
    assert told.count(b'"event": "signed_late"') + told.count(b'"event":"signed_late"') >= 6
    assert b"canary" not in told


async def test_an_executor_that_is_killed_signs_what_waited_after_its_next_start(
    running: Suite, upstream: Upstream
) -> None:
    assert upstream.scripts
    with paused(running):
        ids = set(await asyncio.gather(*(promised(running) for _ in range(3))))
        killed = running.pid_of("executor")
        os.kill(killed, signal.SIGKILL)

        def lives_again() -> bool:
            try:
                return running.pid_of("executor") != killed
            except LookupError:
                return False

        await asyncio.to_thread(wait_until, lives_again)
        assert waiting(running) == ids
    await proven(running, ids)
    assert (await running.ask())["prysm"]["proof"]["keyid"]


async def test_a_proof_service_that_dies_between_the_answer_and_its_signature_costs_no_run(
    running: Suite, upstream: Upstream
) -> None:
    goes_on = asyncio.Event()
    loop = asyncio.get_running_loop()

    def when(event: asyncio.Event, then: Behaviour) -> Behaviour:
        async def behave(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(event.wait(), loop))
            return await then(request, body)

        return behave

    upstream.scripts["*"] = [when(goes_on, says("Paris."))]
    asking = [asyncio.create_task(running.post(QUESTION)) for _ in range(4)]
    while len(upstream.calls) < 4:
        await asyncio.sleep(0.01)
    os.kill(running.pid_of("proof"), signal.SIGKILL)
    goes_on.set()
    replies = await asyncio.gather(*asking)
    promises = [PROMISE.fullmatch(body["detail"]["message"]) for status, body in replies if status != 200]
    assert promises
    ids = {promise[2] for promise in promises if promise} | {body["id"] for status, body in replies if status == 200}
    assert len(ids) == 4
    await proven(running, ids)
    assert len(upstream.calls) == 4


async def test_a_stream_ends_in_an_error_that_names_the_proof(running: Suite, upstream: Upstream) -> None:
    assert upstream.scripts
    with paused(running):
        events = await events_of(running, **QUESTION)
        promise = PROMISE.fullmatch(events[-1]["detail"]["message"])
        assert promise, events[-1]
        assert waiting(running) == {promise[2]}
    await proven(running, {promise[2]})


async def test_an_executor_that_has_to_stop_while_it_waits_for_a_signature_keeps_the_run(upstream: Upstream) -> None:
    with serving({**upstream.environment, "OPENPRYSM_STOP_GRACE_S": "1"}) as suite:
        with paused(suite):
            asking = asyncio.create_task(suite.post(QUESTION))
            while not upstream.calls:
                await asyncio.sleep(0.01)
            stopped = suite.pid_of("executor")
            os.kill(stopped, signal.SIGTERM)
            status, _ = await asking
            assert status in (502, 503)
            await asyncio.to_thread(wait_until, lambda: len(waiting(suite)) == 1 and not alive(stopped))
            ids = waiting(suite)
        await proven(suite, ids)
    assert len(upstream.calls) == 1


async def test_the_key_of_a_run_that_was_not_signed_runs_again_since_its_answer_is_gone(
    running: Suite, upstream: Upstream
) -> None:
    async def pausing(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        os.kill(running.pid_of("proof"), signal.SIGSTOP)  # the key is claimed by now
        return await says("Paris.")(request, body)

    upstream.scripts["*"] = [pausing, says("Paris, again.")]
    key = {"idempotency-key": "unsigned"}
    try:
        first = await promised(running, key)
    finally:
        os.kill(running.pid_of("proof"), signal.SIGCONT)
    async with asyncio.timeout(20):
        while (again := await running.post(QUESTION, key))[0] == 409:  # until the release comes through
            await asyncio.sleep(0.05)
    status, body = again
    assert (status, body["choices"][0]["message"]["content"]) == (200, "Paris, again.")
    await proven(running, {first, body["id"]})
    assert (await running.post(QUESTION, key))[1] == body
    assert len(upstream.calls) == 2


async def test_runs_that_a_restored_old_backup_could_not_sign_are_signed_when_the_right_database_is_back(
    upstream: Upstream, tmp_path: Path
) -> None:
    environment, state = {**upstream.environment, **QUICK}, tmp_path / "state"
    databases = state, tmp_path / "old", tmp_path / "right"

    def move(source: Path, target: Path) -> None:
        target.mkdir(exist_ok=True)
        for file in source.glob("proof.db*"):
            file.rename(target / file.name)

    with serving(environment, state) as suite:
        await suite.ask()
    shutil.copytree(state, databases[1], ignore=lambda _, names: [name for name in names if name[:8] != "proof.db"])
    with serving(environment, state) as suite:
        newest = await suite.ask()
    move(state, databases[2])
    move(databases[1], state)
    with serving(environment, state) as suite:
        ids = {await promised(suite) for _ in range(2)}
        assert waiting(suite) == ids
    assert waiting(suite) == ids  # and after a stop in good order
    for file in state.glob("proof.db*"):
        file.unlink()
    move(databases[2], state)
    with serving(environment, state) as suite:
        await proven(suite, {*ids, newest["id"]})


async def test_a_full_outbox_promises_nothing(upstream: Upstream) -> None:
    with serving({**upstream.environment, **QUICK, "OPENPRYSM_OUTBOX_BYTES": "4096"}) as suite:
        with paused(suite):
            kept = await promised(suite)
            status, body = await suite.post(QUESTION)
            assert (status, body["detail"]["error"]) == (502, "orchestration_error")
            assert body["detail"]["message"] == "the run could not be signed, so its answer is not returned"
            assert waiting(suite) == {kept}
        await proven(suite, {kept})
        assert "outbox_full" in (suite.state / "logs" / "executor.log").read_text()


@pytest.mark.parametrize("wrong", ["others may enter", "a file", "nowhere"])
def test_an_executor_does_not_start_with_an_outbox_that_it_can_not_use(tmp_path: Path, wrong: str) -> None:
    outbox = tmp_path / "outbox"
    if wrong == "others may enter":
        outbox.mkdir(mode=0o755)
    elif wrong == "a file":
        outbox.touch()
    else:
        outbox = Path("/proc/outbox")
    environment = {**os.environ, "OPENPRYSM_STATE": str(tmp_path / "state"), "OPENPRYSM_OUTBOX": str(outbox)}
    command = [sys.executable, "-m", "executor"]
    got = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (got.returncode, got.stderr.count("\n")) == (1, 1), got.stderr
    assert got.stderr.startswith("executor: the outbox can't be used: ")


async def test_whoever_dies_under_load_every_answer_and_every_promise_has_one_proof(own_upstream: Upstream) -> None:
    own_upstream.reset()
    told: dict[str, int] = {"answered": 0, "promised": 0}
    ids: list[str] = []
    ends = asyncio.Event()

    async def client(suite: Suite) -> None:
        while not ends.is_set():
            await asyncio.sleep(0.02)
            try:
                status, body = await suite.post(QUESTION)
            except aiohttp.ClientError:  # its connection died with the executor
                continue
            promise = PROMISE.fullmatch(body["detail"]["message"]) if status != 200 else None
            if status == 200 or promise:
                told["promised" if promise else "answered"] += 1
                ids.append(promise[2] if promise else body["id"])
            else:
                assert status in (502, 503), body

    with serving({**own_upstream.environment, **QUICK}) as suite:
        async with asyncio.TaskGroup() as group:
            clients = [group.create_task(client(suite)) for _ in range(6)]
            for service in ("proof", "executor"):
                before = dict(told)
                os.kill(suite.pid_of(service), signal.SIGKILL)
                async with asyncio.timeout(20):
                    while told["answered"] < before["answered"] + 20 or (
                        service == "proof" and told["promised"] == before["promised"]
                    ):
                        await asyncio.sleep(0.02)
            ends.set()
            await asyncio.gather(*clients)
        assert len(set(ids)) == len(ids)
        await proven(suite, set(ids))
        assert len(ids) <= await log_size(suite) <= len(own_upstream.calls)
