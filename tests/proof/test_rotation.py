"""Keys that are replaced and keys that are revoked: what each proves before and after."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from proof import bundle, revocation, trust, verify
from proof.archive import Archive, CorruptError
from proof.keys import FileSigner, ensure_key_file
from proof.log import RefusedError
from proof.sqlite.storage import SqliteStore

from .notaries import open_notary
from .records import record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from proof.keys import LogSigner


def new_key(folder: Path) -> FileSigner:
    (folder / "key.pem").unlink(missing_ok=True)
    ensure_key_file(folder / "key.pem")
    return FileSigner(folder / "key.pem")


@pytest.fixture
def store(folder: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(folder / "proof.db")
    yield opened
    opened.close()


async def test_proofs_of_every_key_hold_after_each_rotation(folder: Path, log_signer: LogSigner) -> None:
    proofs = []
    for number in range(4):
        notary = open_notary(folder, new_key(folder), log_signer)
        notary.start()
        proofs.append(await notary.sign(record(number)))
        believed = await notary.read(Archive.trust)
        assert len(believed.keys) == number + 1
        for earlier, proof in enumerate(proofs):
            assert await notary.read(Archive.get, record(earlier).request_id) == proof
            assert verify.verified(verify.verify(bundle.to_object(proof), believed, None))
        await notary.stop()
    assert len({proof.envelope.keyid for proof in proofs}) == 4


async def test_a_revoked_key_signs_no_more_and_what_it_signed_keeps_holding(
    folder: Path, log_signer: LogSigner, store: SqliteStore
) -> None:
    signer = new_key(folder)
    notary = open_notary(folder, signer, log_signer)
    notary.start()
    proofs = [await notary.sign(record(number)) for number in range(3)]
    assert revocation.revoke(store, signer.keyid) == 3
    assert revocation.revoke(store, signer.keyid) == 3
    with pytest.raises(RefusedError, match="was revoked"):
        await notary.sign(record(3))
    assert await notary.sign(record(1)) == proofs[1]  # a retry is no new signature
    believed = await notary.read(Archive.trust)
    assert believed.keys[signer.keyid].revoked_from == 3
    assert trust.read_jwks(trust.jwks(believed.keys))[signer.keyid].revoked_from == 3
    for proof in proofs:
        assert verify.verified(verify.verify(bundle.to_object(proof), believed, None))
    await notary.stop()
    after = open_notary(folder, new_key(folder), log_signer)
    after.start()
    assert (await after.sign(record(3))).envelope.keyid != signer.keyid
    assert await after.read(Archive.get, record(0).request_id) == proofs[0]
    await after.stop()


async def test_what_a_thief_logs_under_a_revoked_key_does_not_hold(
    folder: Path, log_signer: LogSigner, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    signer = new_key(folder)
    notary = open_notary(folder, signer, log_signer)
    notary.start()
    await notary.sign(record(0))
    revocation.revoke(store, signer.keyid)
    # One who has the keys and the database, and another program.
    monkeypatch.setattr(SqliteStore, "revoked_from", lambda *_: None)
    forged = await notary.sign(record(1))
    monkeypatch.undo()
    with pytest.raises(CorruptError):
        await notary.read(Archive.get, record(1).request_id)
    checks = verify.verify(bundle.to_object(forged), await notary.read(Archive.trust), None)
    assert [check.name for check in checks if check.status == "fail"] == ["key: not revoked"]
    await notary.stop()


def test_a_key_that_never_signed_can_not_be_revoked(store: SqliteStore) -> None:
    with pytest.raises(KeyError):
        revocation.revoke(store, "SHA256:" + "A" * 43)


async def test_the_command_line_revokes_a_key_of_a_store_that_is_in_use(folder: Path, log_signer: LogSigner) -> None:
    signer = new_key(folder)
    notary = open_notary(folder, signer, log_signer)
    notary.start()
    await notary.sign(record(0))
    command = [sys.executable, "-m", "cli", "revoke-key", signer.keyid, str(folder / "proof.db")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, f"revoked {signer.keyid} from entry 1 on" in done.stdout) == (0, True), done
    with pytest.raises(RefusedError, match="was revoked"):
        await notary.sign(record(1))
    await notary.stop()
    for words in (["SHA256:nobody", str(folder / "proof.db")], [signer.keyid, str(folder / "none.db")]):
        done = subprocess.run([*command[:4], *words], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done
