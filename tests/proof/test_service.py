"""ProofService over gRPC: Sign for the executor, Get for everybody."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import apsw
import grpc
import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings

from chassis import client
from chassis.errors import ServiceError
from chassis.interceptors import RpcInterceptor
from chassis.spans import Spans
from chassis.telemetry import Tracing
from openprysm.proof.v2 import proof_pb2, proof_pb2_grpc
from proof import bundle, note, statement, verify
from proof.service import SERVICE, ProofServicer
from proof.sqlite.storage import SqliteStore
from proof.statement import Compliance, Degradation, Record

from .records import call, record, records
from .test_verify import trusting
from .wire import sign_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from proof.keys import FileSigner, LogSigner
    from proof.notary import Notary

    from .stores import Database

_ID = record().request_id


@pytest.fixture
async def stub(folder: Path, notary: Notary) -> AsyncIterator[proof_pb2_grpc.ProofServiceStub]:
    """Return a stub of a proof service over the notary."""
    spans = Spans(Tracing.to(None))
    server = grpc.aio.server(interceptors=[RpcInterceptor(spans)])
    servicer = ProofServicer(notary, spans)
    proof_pb2_grpc.add_ProofServiceServicer_to_server(servicer, server)
    server.add_insecure_port(f"unix:{folder}/s")
    await server.start()
    async with grpc.aio.insecure_channel(f"unix:{folder}/s", client.options()) as channel:
        yield proof_pb2_grpc.ProofServiceStub(channel)
    await server.stop(None)


async def sign(stub: proof_pb2_grpc.ProofServiceStub, given_record: Record) -> proof_pb2.SignResponse:
    return await client.call(stub.Sign, sign_request(given_record), 10.0)


async def get(stub: proof_pb2_grpc.ProofServiceStub, request_id: str) -> proof_pb2.GetResponse:
    return await client.call(stub.Get, proof_pb2.GetRequest(id=request_id), 10.0)


async def test_the_service_is_the_one_of_the_contract() -> None:
    assert SERVICE == "openprysm.proof.v2.ProofService"


async def test_sign_returns_a_proof_that_verifies(
    stub: proof_pb2_grpc.ProofServiceStub, signer: FileSigner, log_signer: LogSigner
) -> None:
    answer = await sign(stub, record())
    whole = json.loads(answer.bundle)
    assert all(check.status != "fail" for check in verify.verify(whole, trusting(signer), None))
    payload = bundle.read(whole).envelope.payload
    assert answer.proof_hash == "sha256:" + hashlib.sha256(payload).hexdigest()
    assert answer.keyid == signer.keyid
    assert (answer.log_entry.log_index, answer.log_entry.tree_size) == (0, 1)
    assert note.verify(answer.log_entry.checkpoint, log_signer.key).size == 1


async def test_a_retry_gets_the_same_bytes(stub: proof_pb2_grpc.ProofServiceStub) -> None:
    first, again = await sign(stub, record()), await sign(stub, record())
    assert first.SerializeToString(deterministic=True) == again.SerializeToString(deterministic=True)


async def test_another_record_under_the_same_id_is_refused(stub: proof_pb2_grpc.ProofServiceStub) -> None:
    await sign(stub, record())
    with pytest.raises(ServiceError) as caught:
        await sign(stub, record(policy="balanced"))
    assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.ALREADY_EXISTS, "invalid_request")
    assert caught.value.message == "request_id: another record is signed under it"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"request_id": ""}, "request_id"),
        ({"calls": ()}, "calls"),
        ({"calls": (call(),) * 17}, "calls"),
        ({"calls": (call(input_digest=b"x"),)}, "calls[0].input_digest"),
        ({"confidence": float("nan")}, "confidence"),
        ({"agreement": float("-inf")}, "agreement"),
        ({"k": -(2**31)}, "k"),
        ({"transcript_sha256": b""}, "transcript_sha256"),
        ({"strategy": "x" * (1 << 20)}, "strategy"),
        ({"compliance": Compliance(b"", "", "")}, "compliance.decision_sha256"),
        ({"degradations": (Degradation("a", "b", "c"),) * 10_000}, "degradations"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_record_that_must_not_be_signed_is_refused_by_name(
    stub: proof_pb2_grpc.ProofServiceStub, fields: dict[str, Any], named: str
) -> None:
    with pytest.raises(ServiceError) as caught:
        await sign(stub, record(**fields))
    assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "invalid_request")
    assert caught.value.message.startswith(f"{named}: must ")


async def test_get_shows_the_proof_and_its_summary(stub: proof_pb2_grpc.ProofServiceStub, signer: FileSigner) -> None:
    full = record(
        calls=(call(), call(status="failed", model="grok-4"), call(model="claude-opus-4.5"), call()),
        degradations=(Degradation("propose", "timeout", "grok-4"),),
    )
    signed = await sign(stub, full)
    answer = await get(stub, _ID)
    assert (answer.verified, answer.request_id, answer.version) == (True, _ID, 2)
    assert json_format.MessageToDict(answer.proof) == json.loads(signed.bundle)
    assert verify.verified(verify.verify(json_format.MessageToDict(answer), trusting(signer), None))
    entry = answer.entry
    assert (entry.proof_hash, entry.keyid) == (signed.proof_hash, signer.keyid)
    assert (entry.created, entry.policy, entry.strategy) == (1_790_000_000, "depth", "ensemble_moa")
    assert list(entry.models) == ["gpt-5.2", "claude-opus-4.5"]
    assert (entry.calls, entry.degraded) == (4, True)
    assert (entry.agreement, entry.confidence, entry.confidence_source) == (0.9, 0.85, "agreement")
    assert entry.cost_usd == 6e-6
    assert (entry.HasField("log_index"), entry.log_index) == (True, 0)


async def test_what_was_not_compared_has_no_agreement(stub: proof_pb2_grpc.ProofServiceStub) -> None:
    await sign(stub, record(agreement=None, calls=(call(cost_pico_usd=None),)))
    entry = (await get(stub, _ID)).entry
    assert not entry.HasField("agreement")
    assert (entry.cost_usd, entry.degraded) == (0.0, False)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_record=records)
async def test_any_good_record_is_signed_as_it_is_and_shown(
    stub: proof_pb2_grpc.ProofServiceStub, given_record: Record
) -> None:
    fresh = replace(given_record, request_id=f"prysm-{secrets.token_hex(16)}")  # the store is the same for all
    answer = await sign(stub, fresh)
    assert bundle.read(json.loads(answer.bundle)).envelope.payload == statement.payload(fresh)
    assert (await get(stub, fresh.request_id)).entry.calls == len(fresh.calls)


@pytest.mark.parametrize("request_id", ["", "nope", _ID, _ID.upper(), f"{_ID} ", "' OR 1=1--", "\x00", "x" * 10_000])
async def test_an_unknown_id_is_not_found(stub: proof_pb2_grpc.ProofServiceStub, request_id: str) -> None:
    with pytest.raises(ServiceError) as caught:
        await get(stub, request_id)
    assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.NOT_FOUND, "proof_not_found")


async def test_a_tampered_proof_is_data_loss_and_never_verified(
    stub: proof_pb2_grpc.ProofServiceStub, database: Database
) -> None:
    signed = await sign(stub, record())
    payload = bundle.read(json.loads(signed.bundle)).envelope.payload
    database.change("UPDATE proof SET payload = ?", payload.replace(b'"confidence":"0.85', b'"confidence":"0.95'))
    for tried in (get(stub, _ID), sign(stub, record())):
        with pytest.raises(ServiceError) as caught:
            await tried
        assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.DATA_LOSS, "orchestration_error")
        assert caught.value.message == "the stored proof does not verify"


async def test_when_a_commit_fails_the_caller_gets_an_error_without_its_text(
    stub: proof_pb2_grpc.ProofServiceStub, notary: Notary
) -> None:
    assert isinstance(notary._writer, SqliteStore)
    connection = notary._writer._connection
    connection.execute("PRAGMA query_only = ON")
    with pytest.raises(ServiceError) as caught:
        await sign(stub, record())
    assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.INTERNAL, "orchestration_error")
    assert "readonly" not in str(caught.value)
    with pytest.raises(ServiceError, match="proof_not_found"):
        await get(stub, _ID)
    connection.execute("PRAGMA query_only = OFF")
    assert (await sign(stub, record())).bundle
    assert (await get(stub, _ID)).verified


async def test_a_file_that_is_locked_away_does_not_stop_readers(
    stub: proof_pb2_grpc.ProofServiceStub, folder: Path
) -> None:
    await sign(stub, record())
    other = apsw.Connection(str(folder / "proof.db"))
    other.execute("BEGIN IMMEDIATE")
    assert (await get(stub, _ID)).verified
    other.execute("ROLLBACK")
    other.close()


async def test_while_a_writer_waits_for_the_file_readers_are_served(
    stub: proof_pb2_grpc.ProofServiceStub, folder: Path
) -> None:
    await sign(stub, record())
    other = apsw.Connection(str(folder / "proof.db"))
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.ensure_future(sign(stub, record(2)))
    async with asyncio.timeout(3):  # less than the writer would wait
        for _ in range(20):
            assert (await get(stub, _ID)).verified
            await asyncio.sleep(0.01)
    assert not waiting.done()
    other.execute("ROLLBACK")
    other.close()
    assert (await waiting).log_entry.log_index == 1
