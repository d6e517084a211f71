"""`python -m proof` killed under load, restarted, and started wrongly."""

from __future__ import annotations

import asyncio
import os
import secrets
from typing import TYPE_CHECKING

import grpc
import pytest

from openprysm.proof.v2 import idempotency_pb2, idempotency_pb2_grpc, proof_pb2
from proof.keys import ensure_key_file

from .processes import PATIENCE_S, channel_to, connected, told
from .records import record
from .wire import sign_request

if TYPE_CHECKING:
    from pathlib import Path

    from .processes import Start


async def test_claims_and_responses_survive_kill_9(start: Start, folder: Path) -> None:
    def asked(slot: int, body: bytes = b"b" * 32) -> idempotency_pb2.ClaimRequest:
        return idempotency_pb2.ClaimRequest(
            slot=slot.to_bytes(32), body_digest=body, lease_s=600, claim=secrets.token_bytes(16)
        )

    claimed, filled = range(20), range(10)
    process = await start()
    async with channel_to(folder) as channel:
        stub = idempotency_pb2_grpc.IdempotencyServiceStub(channel)
        answers = [await stub.Claim(asked(slot), wait_for_ready=True, timeout=PATIENCE_S) for slot in claimed]
        process.kill()
        await process.wait()
    process = await start()  # between Claim and Complete: every claim still holds, and may be completed
    async with channel_to(folder) as channel:
        stub = idempotency_pb2_grpc.IdempotencyServiceStub(channel)
        for slot in claimed:
            again = await stub.Claim(asked(slot), wait_for_ready=True, timeout=PATIENCE_S)
            assert 0 < again.in_progress_s <= 600
        for slot in filled:
            response = idempotency_pb2.CompleteRequest(
                slot=slot.to_bytes(32), claim=answers[slot].claim, sealed=f"sealed {slot}".encode()
            )
            await stub.Complete(response, timeout=PATIENCE_S)
        process.kill()
        await process.wait()
    await start()  # after Complete: every response is there, and nobody else's body gets it
    async with channel_to(folder) as channel:
        stub = idempotency_pb2_grpc.IdempotencyServiceStub(channel)
        for slot in claimed:
            again = await stub.Claim(asked(slot), wait_for_ready=True, timeout=PATIENCE_S)
            assert again.sealed == (f"sealed {slot}".encode() if slot in filled else b"")
            assert (again.in_progress_s > 0) is (slot not in filled)
            assert (await stub.Claim(asked(slot, b"x" * 32), timeout=PATIENCE_S)).conflict


async def test_a_proof_outlives_the_key_that_signed_it(start: Start, folder: Path) -> None:
    answers = []
    for number in range(2):
        process = await start()
        async with connected(folder) as stub:
            request = sign_request(record(number))
            answers.append(await stub.Sign(request, wait_for_ready=True, timeout=PATIENCE_S))
            old = await stub.Get(proof_pb2.GetRequest(id=record(0).request_id), timeout=PATIENCE_S)
            assert (old.verified, old.entry.keyid) == (True, answers[0].keyid)
        process.terminate()
        assert (await told(folder, process))[0] == 0
        os.unlink(folder / "proof-key.pem")  # noqa: PTH108 - as a rotation does, and no loop waits for it
    assert answers[0].keyid != answers[1].keyid


async def test_in_flight_signatures_finish_after_sigterm(start: Start, folder: Path) -> None:
    process = await start()
    async with connected(folder) as stub:
        first = await stub.Sign(sign_request(record(0)), wait_for_ready=True, timeout=PATIENCE_S)
        assert first.bundle
        flying = [
            asyncio.ensure_future(stub.Sign(sign_request(record(number)), timeout=PATIENCE_S))
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
            again = await stub.Sign(sign_request(record(number)), wait_for_ready=True, timeout=PATIENCE_S)
            if isinstance(outcome, proof_pb2.SignResponse):
                assert again.bundle == outcome.bundle
            else:  # refused at the door
                assert isinstance(outcome, grpc.aio.AioRpcError)
                assert outcome.code() is grpc.StatusCode.UNAVAILABLE


@pytest.fixture
def misconfigured(  # noqa: PLR0911 - one for each way to be wrong
    folder: Path, request: pytest.FixtureRequest
) -> tuple[dict[str, str], str]:
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
        case "no log key":
            return {"OPENPRYSM_LOG_KEY": str(path)}, f"proof: {path} can't be read"
        case "a proof key for the log":
            ensure_key_file(path)
            return {"OPENPRYSM_LOG_KEY": str(path)}, f"proof: {path} holds no Ed25519 key"
        case "no store":
            path.write_bytes(b"no database " * 100)
            return {"OPENPRYSM_PROOF_DB": str(path)}, f"proof: {path} can't be opened as a proof store"
    folder.chmod(0o755)
    return {}, f"proof: {folder} must belong to this user with mode 0700"


@pytest.mark.parametrize(
    "misconfigured",
    ["a missing key", "an open key", "no key", "no log key", "a proof key for the log", "no store", "an open folder"],
    indirect=True,
)
async def test_a_wrong_start_is_one_line_and_status_1(
    start: Start, folder: Path, misconfigured: tuple[dict[str, str], str]
) -> None:
    environment, line = misconfigured
    assert await told(folder, await start(**environment)) == (1, line)
