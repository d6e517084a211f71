"""`python -m proof` killed under load, restarted, and started wrongly."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

import apsw
import grpc
import pytest

from chassis import client
from openprysm.proof.v2 import idempotency_pb2, idempotency_pb2_grpc, proof_pb2, proof_pb2_grpc

from .records import record
from .wire import sign_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    Start: TypeAlias = Callable[..., Awaitable[asyncio.subprocess.Process]]

_PATIENCE_S = 20.0
_KILLS = 3
_CALLERS = 8
#: Proofs that must be acknowledged before the process is killed.
_BEFORE_THE_KILL = 100


@pytest.fixture
async def start(folder: Path) -> AsyncIterator[Start]:
    """Start the service on the folder, again and again if need be; none outlives the test."""
    started = []
    # A file and no pipe: one that nobody reads would fill up and hold the process.
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def begin(**settings: str) -> asyncio.subprocess.Process:
        environment = {**os.environ, "OPENPRYSM_STATE": str(folder), **settings}
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "proof", env=environment, stderr=log)
        started.append(process)
        return process

    yield begin
    os.close(log)
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def channel_to(folder: Path) -> AsyncIterator[grpc.aio.Channel]:
    # A channel of its own for each process: no call waits for one that is gone.
    async with grpc.aio.insecure_channel(f"unix:{folder}/run/proof.sock", client.options()) as channel:
        yield channel


@asynccontextmanager
async def connected(folder: Path) -> AsyncIterator[proof_pb2_grpc.ProofServiceStub]:
    async with channel_to(folder) as channel:
        yield proof_pb2_grpc.ProofServiceStub(channel)


async def told(folder: Path, process: asyncio.subprocess.Process) -> tuple[int, str]:
    """Return the exit status and the last line of a process that ends."""
    async with asyncio.timeout(_PATIENCE_S):
        status = await process.wait()
    with open(folder / "log") as log:  # noqa: ASYNC230, PTH123 - nothing else runs
        return status, log.read().splitlines()[-1]


async def test_whatever_was_acknowledged_survives_kill_9(start: Start, folder: Path) -> None:
    acknowledged: dict[int, proof_pb2.SignResponse] = {}
    numbers = iter(range(1_000_000))

    async def load(stub: proof_pb2_grpc.ProofServiceStub, enough: asyncio.Event, before: int) -> None:
        while True:
            number = next(numbers)
            try:
                answer = await stub.Sign(sign_request(record(number)), wait_for_ready=True, timeout=_PATIENCE_S)
            except grpc.aio.AioRpcError:
                return  # killed
            acknowledged[number] = answer
            if len(acknowledged) >= before + _BEFORE_THE_KILL:
                enough.set()

    for _ in range(_KILLS):
        process, enough = await start(), asyncio.Event()
        async with connected(folder) as stub, asyncio.timeout(_PATIENCE_S):
            callers = [asyncio.create_task(load(stub, enough, len(acknowledged))) for _ in range(_CALLERS)]
            await enough.wait()
            process.send_signal(signal.SIGKILL)
            await process.wait()
            for caller in callers:
                caller.cancel()
            await asyncio.gather(*callers, return_exceptions=True)
    assert len(acknowledged) >= _KILLS * _BEFORE_THE_KILL

    process = await start()
    async with connected(folder) as stub:
        for number, answer in acknowledged.items():
            again = await stub.Sign(sign_request(record(number)), wait_for_ready=True, timeout=_PATIENCE_S)
            assert again.bundle == answer.bundle
            shown = await stub.Get(proof_pb2.GetRequest(id=record(number).request_id), timeout=_PATIENCE_S)
            assert shown.verified
    process.terminate()
    assert (await told(folder, process))[0] == 0
    connection = apsw.Connection(str(folder / "proof.db"))
    assert connection.pragma("integrity_check") == "ok"
    connection.close()


async def test_claims_and_responses_survive_kill_9(start: Start, folder: Path) -> None:
    def asked(slot: int, body: bytes = b"b" * 32) -> idempotency_pb2.ClaimRequest:
        return idempotency_pb2.ClaimRequest(
            slot=slot.to_bytes(32), body_digest=body, lease_s=600, claim=secrets.token_bytes(16)
        )

    claimed, filled = range(20), range(10)
    process = await start()
    async with channel_to(folder) as channel:
        stub = idempotency_pb2_grpc.IdempotencyServiceStub(channel)
        answers = [await stub.Claim(asked(slot), wait_for_ready=True, timeout=_PATIENCE_S) for slot in claimed]
        process.kill()
        await process.wait()
    process = await start()  # between Claim and Complete: every claim still holds, and may be completed
    async with channel_to(folder) as channel:
        stub = idempotency_pb2_grpc.IdempotencyServiceStub(channel)
        for slot in claimed:
            again = await stub.Claim(asked(slot), wait_for_ready=True, timeout=_PATIENCE_S)
            assert 0 < again.in_progress_s <= 600
        for slot in filled:
            response = idempotency_pb2.CompleteRequest(
                slot=slot.to_bytes(32), claim=answers[slot].claim, sealed=f"sealed {slot}".encode()
            )
            await stub.Complete(response, timeout=_PATIENCE_S)
        process.kill()
        await process.wait()
    await start()  # after Complete: every response is there, and nobody else's body gets it
    async with channel_to(folder) as channel:
        stub = idempotency_pb2_grpc.IdempotencyServiceStub(channel)
        for slot in claimed:
            again = await stub.Claim(asked(slot), wait_for_ready=True, timeout=_PATIENCE_S)
            assert again.sealed == (f"sealed {slot}".encode() if slot in filled else b"")
            assert (again.in_progress_s > 0) is (slot not in filled)
            assert (await stub.Claim(asked(slot, b"x" * 32), timeout=_PATIENCE_S)).conflict


async def test_a_proof_outlives_the_key_that_signed_it(start: Start, folder: Path) -> None:
    answers = []
    for number in range(2):
        process = await start()
        async with connected(folder) as stub:
            request = sign_request(record(number))
            answers.append(await stub.Sign(request, wait_for_ready=True, timeout=_PATIENCE_S))
            old = await stub.Get(proof_pb2.GetRequest(id=record(0).request_id), timeout=_PATIENCE_S)
            assert (old.verified, old.entry.keyid) == (True, answers[0].keyid)
        process.terminate()
        assert (await told(folder, process))[0] == 0
        os.unlink(folder / "proof-key.pem")  # noqa: PTH108 - as a rotation does, and no loop waits for it
    assert answers[0].keyid != answers[1].keyid


async def test_in_flight_signatures_finish_after_sigterm(start: Start, folder: Path) -> None:
    process = await start()
    async with connected(folder) as stub:
        first = await stub.Sign(sign_request(record(0)), wait_for_ready=True, timeout=_PATIENCE_S)
        assert first.bundle
        flying = [
            asyncio.ensure_future(stub.Sign(sign_request(record(number)), timeout=_PATIENCE_S))
            for number in range(1, 100)
        ]
        await flying[0]
        process.terminate()
        outcomes = await asyncio.gather(*flying, return_exceptions=True)
    status, last = await told(folder, process)
    assert (status, '"event": "stopped"' in last) == (0, True)
    process = await start()
    async with connected(folder) as stub:
        for number, outcome in enumerate(outcomes, 1):
            again = await stub.Sign(sign_request(record(number)), wait_for_ready=True, timeout=_PATIENCE_S)
            if isinstance(outcome, proof_pb2.SignResponse):
                assert again.bundle == outcome.bundle
            else:  # refused at the door
                assert isinstance(outcome, grpc.aio.AioRpcError)
                assert outcome.code() is grpc.StatusCode.UNAVAILABLE


@pytest.fixture
def misconfigured(folder: Path, request: pytest.FixtureRequest) -> tuple[dict[str, str], str]:
    """Return settings under which the service can't start, and the line that says why."""
    path = folder / "given"
    match request.param:
        case "a missing key":
            return {"OPENPRYSM_PROOF_KEY": str(path)}, f"proof: {path} can't be read"
        case "an open key":
            path.write_bytes(b"")
            path.chmod(0o644)
            return {"OPENPRYSM_PROOF_KEY": str(path)}, f"proof: {path} must have mode 0600"
        case "no key":
            path.touch(0o600)
            return {"OPENPRYSM_PROOF_KEY": str(path)}, f"proof: {path} holds no unencrypted PEM key"
        case "no store":
            path.write_bytes(b"no database " * 100)
            return {"OPENPRYSM_PROOF_DB": str(path)}, f"proof: {path} can't be opened as a proof store"
    folder.chmod(0o755)
    return {}, f"proof: {folder} must belong to this user with mode 0700"


@pytest.mark.parametrize(
    "misconfigured", ["a missing key", "an open key", "no key", "no store", "an open folder"], indirect=True
)
async def test_a_wrong_start_is_one_line_and_status_1(
    start: Start, folder: Path, misconfigured: tuple[dict[str, str], str]
) -> None:
    environment, line = misconfigured
    assert await told(folder, await start(**environment)) == (1, line)
