"""The log after kills, full and failing disks, and backups: nothing acknowledged is lost, and nothing forks."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import apsw
import grpc
import pytest

from openprysm.proof.v2 import proof_pb2
from proof.anchor import Anchor
from proof.keys import FileSigner, LogSigner
from proof.log import Log
from proof.note import LogKey
from proof.sqlite.storage import SqliteStore

from .checker import check
from .load import Load, killed
from .notaries import open_notary
from .processes import PATIENCE_S, connected, told
from .records import record
from .stores import Database, both
from .wire import sign_request

if TYPE_CHECKING:
    from .processes import Start

#: `make drill-proof` sets it to 100.
_KILLS = int(os.environ.get("DRILL_KILLS", "4"))
#: Seconds from the answer that is the last one to the kill, at most: some batches.
_MOMENT_S = 0.05


async def test_whatever_was_acknowledged_survives_kill_9_at_any_moment(
    start: Start, database: Database, folder: Path
) -> None:
    load, seed = Load(), time.time_ns()
    print(f"seed {seed}")  # noqa: T201 - shown when it fails, and by the drill
    moments = random.Random(seed)  # noqa: S311 - moments
    for kill in range(1, _KILLS + 1):
        await killed(start, database, folder, load, moments.randrange(200), moments.uniform(0.0, _MOMENT_S))
        print(f"kill {kill}: {len(load.told)} acknowledged, all there")  # noqa: T201 - likewise
    assert len(load.told) > 50


@both
@pytest.mark.parametrize("point", ["before-sign", "after-sign", "before-commit", "after-commit"])
async def test_a_kill_at_each_point_of_a_batch_loses_nothing(
    start: Start, database: Database, folder: Path, point: str
) -> None:
    load = Load()
    process = await start(FAULT=point, FAULT_AFTER="5")
    async with connected(folder) as stub:
        await load.until(stub, process)
    assert process.returncode == -9
    assert load.open  # the callers of that batch were not told
    check(database, folder, load.told)
    before = len(load.told)
    process = await start()
    async with connected(folder) as stub:
        await load.again(stub)
    assert len(load.told) > before
    process.terminate()
    assert await process.wait() == 0
    check(database, folder, load.told)


@pytest.mark.parametrize(("fault", "after"), [("eio", "30"), ("enospc", "500")])
async def test_a_disk_that_refuses_ends_the_process_and_nothing_unwritten_was_acknowledged(
    start: Start, database: Database, folder: Path, fault: str, after: str
) -> None:
    load = Load()
    process = await start(FAULT=fault, FAULT_AFTER=after)
    async with connected(folder) as stub:
        await load.until(stub, process)
    assert process.returncode == os.EX_IOERR
    check(database, folder, load.told)
    process = await start()
    async with connected(folder) as stub:
        await load.again(stub)
    process.terminate()
    assert await process.wait() == 0
    check(database, folder, load.told)


async def sign(folder: Path, number: int) -> proof_pb2.SignResponse:
    async with connected(folder) as stub:
        answer: proof_pb2.SignResponse = await stub.Sign(
            sign_request(record(number)), wait_for_ready=True, timeout=PATIENCE_S
        )
        return answer


async def stopped(process: asyncio.subprocess.Process) -> None:
    process.terminate()
    assert await process.wait() == 0


async def test_an_old_backup_is_read_but_not_written_and_the_reason_is_logged(
    start: Start, database: Database, folder: Path
) -> None:
    process = await start()
    first = await sign(folder, 1)
    await stopped(process)
    old = database.back_up()
    process = await start()
    newer = await sign(folder, 2)
    await stopped(process)
    right = database.back_up()
    database.restore(old)
    process = await start()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await sign(folder, 3)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    async with connected(folder) as stub:
        shown = await stub.Get(proof_pb2.GetRequest(id=record(1).request_id), timeout=PATIENCE_S)
        assert (shown.verified, shown.entry.proof_hash) == (True, first.proof_hash)
    await stopped(process)
    said = (folder / "log").read_text()
    assert "the log in the database has 1 entries, but 2 were signed" in said
    assert "an old backup was restored, so nothing is signed" in said
    database.restore(right)  # it goes on
    process = await start()
    assert (await sign(folder, 2)).bundle == newer.bundle
    assert (await sign(folder, 3)).log_entry.log_index == 2
    await stopped(process)


async def test_another_log_of_the_same_size_is_not_extended(start: Start, folder: Path) -> None:
    process = await start()
    await sign(folder, 1)
    await stopped(process)
    anchor = (folder / "log-checkpoint").read_text()
    (folder / "proof.db").unlink()
    (folder / "log-checkpoint").unlink()
    process = await start()  # the same keys
    await sign(folder, 2)
    await stopped(process)
    (folder / "log-checkpoint").write_text(anchor)
    process = await start()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await sign(folder, 3)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    await stopped(process)


async def test_an_anchor_that_is_one_behind_catches_up_and_a_missing_one_is_made(start: Start, folder: Path) -> None:
    process = await start()
    await sign(folder, 1)
    await stopped(process)
    older = (folder / "log-checkpoint").read_text()
    process = await start()
    await sign(folder, 2)
    await stopped(process)
    anchor = Anchor(folder / "log-checkpoint", LogKey.from_vkey((folder / "log-key.vkey").read_text()))
    newest = anchor.read()
    for left in (older, None):
        if left is None:
            (folder / "log-checkpoint").unlink()
        else:
            (folder / "log-checkpoint").write_text(left)
        process = await start()
        assert (await sign(folder, 1)).log_entry.log_index == 0
        await stopped(process)
        assert anchor.read() == newest


@both
async def test_two_writers_of_one_store_share_one_log(
    folder: Path, database: Database, signer: FileSigner, log_signer: LogSigner
) -> None:
    notaries = [open_notary(folder, signer, log_signer, database.backend) for _ in range(2)]
    for notary in notaries:
        notary.start()
    # Each its own records, and all of a third kind.
    proofs = await asyncio.gather(
        *(notary.sign(record(number)) for number in range(60) for place, notary in enumerate(notaries)
          if number % 3 in {place, 2})
    )  # fmt: skip
    for notary in notaries:
        await notary.stop()
    assert len({proof.entry.index for proof in proofs if proof.entry}) == 60
    found = database.audit(folder / "log-checkpoint")
    assert (found.faults, found.proofs) == ([], 60)


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


async def test_a_writer_that_is_paused_in_its_batch_and_wakes_up_late_forks_nothing(
    start: Start, database: Database, folder: Path
) -> None:
    process = await start(FAULT="pause", FAULT_AFTER="3")
    for number in range(3):
        await sign(folder, number)
    asleep = asyncio.create_task(sign(folder, 3))
    async with asyncio.timeout(PATIENCE_S):
        while state_of(process.pid) != "T":
            await asyncio.sleep(0.01)
    signer = LogSigner(folder / "log-key.pem", "localhost")
    other = SqliteStore(folder / "proof.db", busy_ms=50)
    impatient = Log(other, signer, Anchor(folder / "log-checkpoint", signer.key))
    with pytest.raises(apsw.BusyError):  # it holds the lock: nobody goes past it
        impatient.open(0)
    other.close()
    process.send_signal(signal.SIGCONT)
    assert (await asleep).log_entry.log_index == 3
    notary = open_notary(folder, FileSigner(folder / "proof-key.pem"), signer)
    notary.start()
    later = await notary.sign(record(4))
    assert later.entry is not None
    assert later.entry.index == 4
    await notary.stop()
    assert (await sign(folder, 5)).log_entry.log_index == 5  # the one that slept goes on from there
    await stopped(process)
    assert database.audit(folder / "log-checkpoint").faults == []


@pytest.mark.parametrize("change", ["origin", "key"])
async def test_a_log_keeps_its_origin_and_its_key(start: Start, folder: Path, change: str) -> None:
    process = await start()
    await sign(folder, 1)
    await stopped(process)
    settings = {}
    if change == "origin":
        settings["OPENPRYSM_LOG_ORIGIN"] = "other.example"
    else:
        (folder / "log-key.pem").unlink()
    status, line = await told(folder, await start(**settings))
    assert status == 1
    if change == "origin":
        assert line == "proof: the store holds the log of localhost under its own key; a log keeps both for ever"
    else:  # and none is made in its place
        assert line == f"proof: {folder / 'log-key.pem'} can't be read"
