"""Signing and storing: durable, idempotent, and never one proof in another's place."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from proof import bundle, dsse, statement
from proof.archive import Archive, CorruptError
from proof.bundle import Bundle
from proof.keys import FileSigner, ensure_key_file
from proof.notary import ConflictError
from proof.statement import RecordError
from proof.storage import UnavailableError

from .notaries import open_notary
from .records import call, record
from .stores import Database, both

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from proof.keys import LogSigner
    from proof.notary import Notary

_ID = record().request_id


pytestmark = both


def ids(database: Database) -> set[str]:
    return {str(name) for (name,) in database.select("SELECT request_id FROM proof")}


async def test_a_proof_is_stored_when_it_is_returned(notary: Notary, signer: FileSigner, database: Database) -> None:
    proof = await notary.sign(record())
    assert proof.envelope.payload == statement.payload(record())
    assert dsse.signature_holds(proof.envelope, signer.public_key)
    assert ids(database) == {_ID}
    assert await notary.read(Archive.get, _ID) == proof


async def test_the_same_record_again_is_the_same_bytes(notary: Notary, database: Database) -> None:
    first = await notary.sign(record())
    assert bundle.dumps(await notary.sign(record())) == bundle.dumps(first)
    again = await asyncio.gather(*(notary.sign(record()) for _ in range(30)))
    assert {bundle.dumps(proof) for proof in again} == {bundle.dumps(first)}
    assert ids(database) == {_ID}


async def test_another_record_under_the_same_id_is_refused_and_nothing_is_written(notary: Notary) -> None:
    first = await notary.sign(record())
    with pytest.raises(ConflictError):
        await notary.sign(record(confidence=0.1))
    assert await notary.read(Archive.get, _ID) == first


async def test_of_two_records_at_once_under_one_id_one_is_proven(notary: Notary) -> None:
    outcomes = await asyncio.gather(
        *(notary.sign(record(confidence=share / 10)) for share in range(10)), return_exceptions=True
    )
    signed = [outcome for outcome in outcomes if isinstance(outcome, Bundle)]
    assert len(signed) == 1
    assert sum(isinstance(outcome, ConflictError) for outcome in outcomes) == 9
    assert await notary.read(Archive.get, _ID) == signed[0]


async def test_200_at_once_are_all_stored(notary: Notary, database: Database) -> None:
    proofs = await asyncio.gather(*(notary.sign(record(number)) for number in range(200)))
    assert ids(database) == {record(number).request_id for number in range(200)}
    assert [await notary.read(Archive.get, record(number).request_id) for number in range(200)] == list(proofs)


async def test_a_record_that_must_not_be_signed_leaves_nothing(notary: Notary, database: Database) -> None:
    for bad in (record(confidence=float("nan")), record(calls=(call(),) * 17), record(request_id="x")):
        with pytest.raises(RecordError):
            await notary.sign(bad)
    assert ids(database) == set()


async def test_a_caller_that_goes_away_takes_nobody_along(notary: Notary, database: Database) -> None:
    gone = [asyncio.create_task(notary.sign(record(number))) for number in range(20)]
    stayed = [asyncio.create_task(notary.sign(record(number))) for number in range(20, 40)]
    await asyncio.sleep(0)
    for task in gone:
        task.cancel()
    assert len(await asyncio.gather(*stayed)) == 20
    assert {record(number).request_id for number in range(20, 40)} <= ids(database)
    for number in range(20):  # a retry finds what was stored, or stores it
        assert (await notary.sign(record(number))).envelope.payload == statement.payload(record(number))


@pytest.mark.parametrize(
    "request_id", ["", "prysm-", _ID + "0", _ID.upper(), f"{_ID}\n", "' OR 1=1--", "\x00", "%", "é"]
)
async def test_an_id_that_is_none_finds_nothing(notary: Notary, request_id: str) -> None:
    await notary.sign(record())
    assert await notary.read(Archive.get, request_id) is None
    assert await notary.read(Archive.get, record(2).request_id) is None


@pytest.mark.parametrize("column", ["payload", "signature"])
async def test_a_changed_row_is_found_out(notary: Notary, database: Database, column: str) -> None:
    proof = await notary.sign(record())
    raw = bytearray(getattr(proof.envelope, column))
    raw[len(raw) // 2] ^= 1
    database.change(f"UPDATE proof SET {column} = ?", bytes(raw))  # noqa: S608 - our own names
    with pytest.raises(CorruptError):
        await notary.read(Archive.get, _ID)
    with pytest.raises(CorruptError):
        await notary.sign(record())


async def test_a_row_under_another_id_is_found_out(notary: Notary, database: Database) -> None:
    await notary.sign(record())
    database.change("UPDATE proof SET request_id = ?", record(2).request_id)
    with pytest.raises(CorruptError):
        await notary.read(Archive.get, record(2).request_id)


async def test_a_row_of_a_key_that_nobody_knows_is_found_out(notary: Notary, database: Database) -> None:
    await notary.sign(record())
    database.change("UPDATE proof SET keyid = ?", "SHA256:" + "A" * 43)
    with pytest.raises(CorruptError):
        await notary.read(Archive.get, _ID)


async def rotated(folder: Path, database: Database, log_signer: LogSigner) -> tuple[Notary, Bundle]:
    """Return a notary with a new key over a proof that an old key has signed, and that proof."""
    key = folder / "key.pem"
    ensure_key_file(key)
    old = open_notary(folder, FileSigner(key), log_signer, database.backend)
    old.start()
    proof = await old.sign(record())
    await old.stop()
    key.unlink()
    ensure_key_file(key)
    new = open_notary(folder, FileSigner(key), log_signer, database.backend)
    new.start()
    return new, proof


async def test_what_an_old_key_signed_stays_verifiable_and_is_not_signed_anew(
    folder: Path, database: Database, log_signer: LogSigner
) -> None:
    new, proof = await rotated(folder, database, log_signer)
    assert await new.read(Archive.get, _ID) == proof
    assert await new.sign(record()) == proof
    assert (await new.sign(record(2))).envelope.keyid != proof.envelope.keyid
    await new.stop()


@pytest.mark.parametrize("pem", ["garbage", "another key"])
async def test_a_key_that_was_changed_in_the_store_proves_nothing(
    folder: Path, database: Database, log_signer: LogSigner, pem: str
) -> None:
    new, proof = await rotated(folder, database, log_signer)
    forged = b"garbage" if pem == "garbage" else (folder / "key.pub.pem").read_bytes()
    database.change("UPDATE signing_key SET public_pem = ? WHERE keyid = ?", forged, proof.envelope.keyid)
    with pytest.raises(CorruptError):
        await new.read(Archive.get, _ID)
    await new.stop()


@pytest.mark.parametrize("committed", [True, False])
async def test_a_commit_of_which_nothing_was_heard_is_asked_by_id(
    notary: Notary, database: Database, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    await notary.sign(record(0))
    transaction, unheard = notary._writer.transaction, iter([True])

    @contextmanager
    def lost() -> Iterator[None]:
        now = next(unheard, False)
        with transaction():
            yield
            if now and not committed:
                raise UnavailableError
        if now:
            raise UnavailableError

    monkeypatch.setattr(notary._writer, "transaction", lost)
    proof = await notary.sign(record(1))
    assert proof.entry is not None
    assert proof.entry.index == 1
    assert bundle.dumps(await notary.sign(record(1))) == bundle.dumps(proof)
    assert ids(database) == {record(0).request_id, record(1).request_id}


async def test_while_no_commit_is_heard_of_the_callers_are_told_and_nothing_is_kept_from_them(
    notary: Notary, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction = notary._writer.transaction

    @contextmanager
    def unheard() -> Iterator[None]:
        with transaction():
            yield
        raise UnavailableError

    monkeypatch.setattr(notary._writer, "transaction", unheard)
    outcomes = await asyncio.gather(*(notary.sign(record(number)) for number in range(20)), return_exceptions=True)
    assert all(isinstance(outcome, UnavailableError) for outcome in outcomes)
    monkeypatch.undo()
    for number in range(20):
        assert (await notary.sign(record(number))).envelope.payload == statement.payload(record(number))
    assert len(ids(database)) == 20
