"""The log over gRPC: a reader rebuilds all of it from tiles, and damage is never a good answer."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import apsw
import grpc
import pytest
from google.protobuf import struct_pb2

from chassis import client
from chassis.errors import ServiceError
from openprysm.proof.v2 import proof_pb2
from proof import bundle, dsse, keys, merkle, note, statement, tiles, trust
from proof.archive import Archive
from proof.log import RefusedError

from .notaries import open_notary
from .records import record
from .stores import Database, both
from .test_service import get, sign, stub
from .test_sqlite import VERSION_0
from .trees import head

if TYPE_CHECKING:
    from pathlib import Path

    from openprysm.proof.v2 import proof_pb2_grpc
    from proof.keys import FileSigner, LogSigner
    from proof.notary import Notary

__all__ = ["stub"]  # the fixture

_TRANSCRIPT = json.dumps({"request_id": record().request_id}).encode()
_SIZE = 600
_MANY = [replace(record(number), calls=record().calls[:1]) for number in range(_SIZE)]


async def tile(stub: proof_pb2_grpc.ProofServiceStub, path: str) -> bytes:
    answer = await client.call(stub.GetTile, proof_pb2.GetTileRequest(path=path), 10.0)
    assert answer.content_type == "application/octet-stream"
    data: bytes = answer.data
    return data


async def document(stub: proof_pb2_grpc.ProofServiceStub, name: str) -> bytes:
    answer = await client.call(stub.GetTrust, proof_pb2.GetTrustRequest(name=name), 10.0)
    data: bytes = answer.data
    return data


async def checkpoint(stub: proof_pb2_grpc.ProofServiceStub) -> str:
    answer = await client.call(stub.GetCheckpoint, proof_pb2.GetCheckpointRequest(), 10.0)
    assert answer.content_type == "text/plain; charset=utf-8"
    signed: str = answer.data.decode()
    return signed


async def refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(ServiceError) as caught:
        await call
    return caught.value.code, caught.value.reason


async def fill(notary: Notary) -> list[bundle.Bundle]:
    """Sign so many records that there is a complete tile, one by one and many at once."""
    proofs = [await notary.sign(one) for one in _MANY[:3]]
    for start in range(3, _SIZE, 100):
        proofs += await asyncio.gather(*(notary.sign(one) for one in _MANY[start : start + 100]))
    return proofs


@both
async def test_a_reader_rebuilds_the_log_from_its_tiles_and_finds_every_proof_in_it(
    stub: proof_pb2_grpc.ProofServiceStub, notary: Notary, log_signer: LogSigner
) -> None:
    proofs = await fill(notary)
    key = note.LogKey.from_vkey((await document(stub, "log.vkey")).decode())
    assert key == log_signer.key
    newest = note.verify(await checkpoint(stub), key)
    assert newest.size == _SIZE
    entries: list[bytes] = []
    leaves = b""
    for number, width in ((0, 256), (1, 256), (2, _SIZE - 512)):
        entries += tiles.unbundle_entries(await tile(stub, tiles.path_of(tiles.Tile(None, number, width))))
        leaves += await tile(stub, tiles.path_of(tiles.Tile(0, number, width)))
    hashes = [merkle.leaf_hash(one) for one in entries]
    assert b"".join(hashes) == leaves
    assert head(hashes) == newest.root
    assert await tile(stub, "1/000.p/2") == head(hashes[:256]) + head(hashes[256:512])
    assert await tile(stub, "0/002.p/1") == hashes[512]
    for index, proof in enumerate(proofs):
        entry = proof.entry
        assert entry is not None
        assert (entry.index, entry.body) == (index, entries[index])
        assert (await sign(stub, _MANY[index])).bundle == bundle.dumps(proof)


@both
async def test_every_checkpoint_extends_every_earlier_one(
    stub: proof_pb2_grpc.ProofServiceStub, notary: Notary
) -> None:
    proofs = await fill(notary)
    heads = sorted({(proof.entry.size, proof.entry.root) for proof in proofs if proof.entry})
    assert len(heads) > 3
    for place, (old, old_root) in enumerate(heads):
        for new, new_root in heads[place:]:
            request = proof_pb2.GetConsistencyProofRequest(old_size=old, new_size=new)
            answer = await client.call(stub.GetConsistencyProof, request, 10.0)
            assert merkle.extends(old, new, old_root, new_root, list(answer.hashes))
    for old, new in ((2, 1), (0, _SIZE + 1), (_SIZE + 1, _SIZE + 1), (0, 2**64 - 1)):
        request = proof_pb2.GetConsistencyProofRequest(old_size=old, new_size=new)
        call = client.call(stub.GetConsistencyProof, request, 10.0)
        assert await refusal(call) == (grpc.StatusCode.INVALID_ARGUMENT, "invalid_request")


@pytest.mark.parametrize(
    "path",
    ["0/000", "0/000.p/2", "0/001", "1/000", "63/000", "entries/000", "entries/001", "entries/000.p/2", "x", "", "0/0"],
)
async def test_a_tile_that_is_not_there_is_not_found(stub: proof_pb2_grpc.ProofServiceStub, path: str) -> None:
    await sign(stub, record())
    assert await refusal(tile(stub, path)) == (grpc.StatusCode.NOT_FOUND, "not_found")
    assert len(await tile(stub, "0/000.p/1")) == 32


async def test_an_empty_log_has_no_checkpoint(stub: proof_pb2_grpc.ProofServiceStub) -> None:
    assert await refusal(checkpoint(stub)) == (grpc.StatusCode.NOT_FOUND, "not_found")


async def test_what_never_changes_may_be_kept_and_what_is_new_with_every_proof_may_not(
    stub: proof_pb2_grpc.ProofServiceStub, signer: FileSigner
) -> None:
    await sign(stub, record())
    name = f"prysm/keys/{trust.file_name(signer.keyid)}.pem"
    calls: list[tuple[Any, str]] = [
        (stub.GetTile(proof_pb2.GetTileRequest(path="0/000.p/1")), "public, max-age=31536000, immutable"),
        (stub.GetTrust(proof_pb2.GetTrustRequest(name=name)), "public, max-age=31536000, immutable"),
        (stub.GetTrust(proof_pb2.GetTrustRequest(name="jwks.json")), "public, max-age=300"),
        (stub.GetCheckpoint(proof_pb2.GetCheckpointRequest()), "no-cache"),
    ]
    for call, caching in calls:
        await call
        assert dict(await call.initial_metadata())["cache-control"] == caching


@both
async def test_the_published_documents_are_enough_to_verify(
    stub: proof_pb2_grpc.ProofServiceStub, signer: FileSigner, log_signer: LogSigner
) -> None:
    await sign(stub, record())
    assert trust.read_trusted_root(await document(stub, "prysm/trusted_root.json")) == log_signer.key
    published = trust.read_jwks(await document(stub, "jwks.json"))
    assert published.keys() == {signer.keyid}
    pem = await document(stub, f"prysm/keys/{trust.file_name(signer.keyid)}.pem")
    assert keys.from_pem(pem) == signer.public_key


@pytest.mark.parametrize(
    "name", ["", "jwks", "prysm/keys/.pem", f"prysm/keys/{'A' * 43}.pem", "prysm/keys/../jwks.json", "\x00", "x" * 9999]
)
async def test_a_document_that_is_none_is_not_found(stub: proof_pb2_grpc.ProofServiceStub, name: str) -> None:
    assert await refusal(document(stub, name)) == (grpc.StatusCode.NOT_FOUND, "not_found")


async def check(
    stub: proof_pb2_grpc.ProofServiceStub, given: Any, transcript: bytes | None
) -> proof_pb2.VerifyResponse:
    request = proof_pb2.VerifyRequest(transcript=transcript.decode() if transcript is not None else None)
    request.proof.update(given)
    answer: proof_pb2.VerifyResponse = await client.call(stub.Verify, request, 10.0)
    return answer


async def test_verify_says_of_each_step_what_came_of_it(stub: proof_pb2_grpc.ProofServiceStub) -> None:
    mine = record(transcript_sha256=hashlib.sha256(_TRANSCRIPT).digest())
    good = json.loads((await sign(stub, mine)).bundle)
    answer = await check(stub, good, _TRANSCRIPT)
    assert (answer.verified, [step.status for step in answer.checks]) == (True, ["pass"] * 9)
    assert (await check(stub, {"proof": good}, None)).checks[-1].status == "skipped"
    answer = await check(stub, good, _TRANSCRIPT + b" ")
    assert (answer.verified, answer.checks[-1].status, answer.checks[-1].reason) == (
        False,
        "fail",
        "another transcript",
    )
    del good["verificationMaterial"]["tlogEntries"]
    answer = await check(stub, good, _TRANSCRIPT)
    assert (answer.verified, answer.checks[4].reason) == (False, "the proof has no log entry")
    assert [step.status for step in answer.checks[5:]] == ["skipped"] * 4
    for nonsense in ({"proof": 5}, {"mediaType": [], "dsseEnvelope": {"signatures": [1]}}):
        assert not (await check(stub, nonsense, None)).verified
    with pytest.raises(ServiceError, match="proof: must have at most"):
        await check(stub, {"proof": [1] * 100_000}, None)
    empty = client.call(stub.Verify, proof_pb2.VerifyRequest(), 10.0)
    assert await refusal(empty) == (grpc.StatusCode.INVALID_ARGUMENT, "invalid_request")
    assert not (await client.call(stub.Verify, proof_pb2.VerifyRequest(proof=struct_pb2.Struct()), 10.0)).verified


_DAMAGES = {
    "an envelope": (
        "UPDATE proof SET payload = ? WHERE log_index = 300", "SELECT payload FROM proof WHERE log_index = 300"
    ),
    "a signature": (
        "UPDATE proof SET signature = ? WHERE log_index = 300", "SELECT signature FROM proof WHERE log_index = 300"
    ),
    "a leaf": (
        "UPDATE tile SET hashes = ? WHERE level = 0 AND number = 1",
        "SELECT hashes FROM tile WHERE level = 0 AND number = 1",
    ),
    "a tile": (
        "UPDATE tile SET hashes = ? WHERE level = 1 AND number = 0",
        "SELECT hashes FROM tile WHERE level = 1 AND number = 0",
    ),
}  # fmt: skip


@both
@pytest.mark.parametrize("damage", _DAMAGES)
async def test_a_flipped_bit_is_data_loss_and_the_audit_names_it(
    stub: proof_pb2_grpc.ProofServiceStub, notary: Notary, database: Database, folder: Path, damage: str
) -> None:
    await fill(notary)
    assert database.audit(folder / "log-checkpoint").faults == []
    update, select = _DAMAGES[damage]
    raw = bytearray(database.select(select)[0][0])
    # Of a tile: the hash of leaf 300, or of the first tile below.
    raw[{"a leaf": 44 * 32 + 5, "a tile": 5}.get(damage, len(raw) // 2)] ^= 1
    database.change(update, bytes(raw))
    loss = (grpc.StatusCode.DATA_LOSS, "orchestration_error")
    # A leaf's own hash is no part of its path: its proof is whole, and its neighbour's is not.
    assert await refusal(get(stub, _MANY[301 if damage == "a leaf" else 300].request_id)) == loss
    spoilt = {"a leaf": "0/001", "a tile": "1/000.p/2"}.get(damage, "entries/001")
    assert await refusal(tile(stub, spoilt)) == loss
    assert (await get(stub, _MANY[5].request_id)).verified
    named = {
        "an envelope": f"proof 300 ({_MANY[300].request_id}): the signature does not fit",
        "a signature": f"proof 300 ({_MANY[300].request_id}): the signature does not fit",
        "a leaf": f"leaf 300 ({_MANY[300].request_id}): not the hash of its envelope",
        "a tile": "tile 1/000.p/2: not the hashes of what is below it",
    }[damage]
    assert named in database.audit(folder / "log-checkpoint").faults


@both
async def test_damage_at_the_edge_is_found_before_the_next_checkpoint(
    stub: proof_pb2_grpc.ProofServiceStub, notary: Notary, database: Database
) -> None:
    await fill(notary)
    last = await checkpoint(stub)
    ((hashes,),) = database.select("SELECT hashes FROM tile WHERE level = 0 AND number = 2")
    database.change("UPDATE tile SET hashes = ? WHERE level = 0 AND number = 2", bytes(32) + hashes[32:])
    assert (await refusal(sign(stub, record(10_000))))[0] is grpc.StatusCode.FAILED_PRECONDITION
    assert await checkpoint(stub) == last


@both
@pytest.mark.parametrize("forged", ["note", "root", "size"])
async def test_a_changed_checkpoint_is_data_loss(
    stub: proof_pb2_grpc.ProofServiceStub, database: Database, folder: Path, forged: str
) -> None:
    await sign(stub, record())
    database.change(
        f"UPDATE checkpoint SET {forged} = ?",  # noqa: S608 - our own names
        {"note": "log.exbmple\n1\n", "root": bytes(32), "size": 2}[forged],
    )
    assert (await refusal(get(stub, record().request_id)))[0] is grpc.StatusCode.DATA_LOSS
    if forged != "root":
        assert (await refusal(checkpoint(stub)))[0] is grpc.StatusCode.DATA_LOSS
    assert (await refusal(sign(stub, record(2))))[0] is grpc.StatusCode.FAILED_PRECONDITION
    assert database.audit(folder / "none").faults


async def test_proofs_from_before_the_log_are_taken_into_it(
    folder: Path, database: Database, signer: FileSigner, log_signer: LogSigner
) -> None:
    old = apsw.Connection(str(folder / "proof.db"))
    old.execute(VERSION_0)
    old.execute("INSERT INTO signing_key VALUES (?, ?)", (signer.keyid, keys.to_pem(signer.public_key)))
    before = [record(number, created=1_790_000_000 - number) for number in range(150)]
    for one in before:
        payload = statement.payload(one)
        row = (one.request_id, payload, signer.sign(dsse.pae(payload)), signer.keyid)
        old.execute("INSERT INTO proof VALUES (?, ?, ?, ?)", row)
    old.close()
    for _ in range(2):
        notary = open_notary(folder, signer, log_signer)
        notary.start()
        for one in before:
            found = await notary.read(Archive.get, one.request_id)
            assert found is not None
            assert found.entry is not None
            assert found.envelope.payload == statement.payload(one)
            assert found.entry.index == 149 - before.index(one)  # the oldest first
        assert (await notary.sign(before[0])).envelope.payload == statement.payload(before[0])
        await notary.stop()
    findings = database.audit(folder / "log-checkpoint")
    assert (findings.faults, findings.proofs) == ([], 150)


@both
async def test_a_damaged_edge_is_found_at_the_start_and_reading_goes_on(
    folder: Path, database: Database, signer: FileSigner, log_signer: LogSigner
) -> None:
    for number in range(2):
        notary = open_notary(folder, signer, log_signer, database.backend)
        notary.start()
        await notary.sign(record(number))
        await notary.stop()
    database.change("UPDATE tile SET hashes = substr(hashes, 1, 32)")
    notary = open_notary(folder, signer, log_signer, database.backend)
    notary.start()
    with pytest.raises(RefusedError, match="damaged"):
        await notary.sign(record(2))
    assert await notary.read(Archive.get, record(0).request_id) is not None
    await notary.stop()
