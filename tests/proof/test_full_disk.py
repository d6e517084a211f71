"""A notary over SQLite on a disk that is full, and what it leaves behind when it stops."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from proof.bundle import Bundle
from proof.sqlite.storage import SqliteStore
from proof.storage import DiskError

from .notaries import open_notary
from .records import call, record
from .stores import Sqlite
from .test_notary import ids

if TYPE_CHECKING:
    from pathlib import Path

    from proof.keys import FileSigner, LogSigner


async def test_a_disk_that_is_full_ends_the_process_and_nothing_of_the_batch_is_acknowledged(
    folder: Path, signer: FileSigner, log_signer: LogSigner
) -> None:
    died = []
    notary = open_notary(folder, signer, log_signer, die=lambda: died.append(True))
    notary.start()
    await notary.sign(record(0))
    assert isinstance(notary._writer, SqliteStore)
    connection = notary._writer._connection
    connection.pragma("max_page_count", connection.pragma("page_count"))
    large = tuple(call(model="m" * 256, stage="s" * 256, provider="p" * 256) for _ in range(16))
    outcomes = await asyncio.gather(
        *(notary.sign(record(number, calls=large)) for number in range(1, 100)), return_exceptions=True
    )
    assert died
    assert any(isinstance(outcome, DiskError) for outcome in outcomes)
    stored = ids(Sqlite(folder))
    for number, outcome in enumerate(outcomes, 1):
        assert (record(number).request_id in stored) == isinstance(outcome, Bundle)
    await notary.stop()
    again = open_notary(folder, signer, log_signer)
    again.start()
    assert await asyncio.gather(
        *(again.sign(record(number, calls=large)) for number in range(100)), return_exceptions=True
    )
    assert len(ids(Sqlite(folder))) == 100
    await again.stop()


async def test_a_notary_that_stopped_has_closed_its_file(
    folder: Path, signer: FileSigner, log_signer: LogSigner
) -> None:
    running = open_notary(folder, signer, log_signer)
    running.start()
    await running.sign(record())
    await running.stop()
    # No -wal, no -shm: all is in the file.
    assert sorted(os.listdir(folder)) == ["log-checkpoint", "proof.db"]  # noqa: PTH208 - no loop waits for it
