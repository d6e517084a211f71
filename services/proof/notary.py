"""Signs records and logs the proofs, many callers to one transaction."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from proof import dsse, keys, statement
from proof.archive import Archive
from proof.log import BATCH, Log, RefusedError
from proof.metering import Metering
from proof.storage import DiskError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chassis.metrics.meter import Recorder
    from proof.anchor import Anchor
    from proof.bundle import Bundle
    from proof.keys import LogSigner, Signer
    from proof.statement import Record
    from proof.storage import Store

_log = structlog.get_logger()


class ConflictError(Exception):
    """Another record is already signed under this id."""


@dataclass(frozen=True)
class _Pending:
    request_id: str
    payload: bytes
    done: asyncio.Future[Bundle]


class Notary:
    """Owns the writer's store and its thread from `start` to `stop`.

    A batch is what has queued up while the last one was committed, so a lone caller waits for no one.
    """

    def __init__(
        self,
        signer: Signer,
        log_signer: LogSigner,
        open_store: Callable[[], Store],
        anchor: Anchor,
        now: Callable[[], float],
        die: Callable[[], None],
    ) -> None:
        """Make a notary over a log that is begun or compared with its anchor here.

        A log that must not be extended can still be read: then every `sign` says why.

        Args:
            signer: of proofs.
            log_signer: of checkpoints.
            open_store: opens a connection of its own at each call.
            anchor: where the newest checkpoint is kept besides.
            now: unix seconds.
            die: ends the process at once; called when the disk has failed.

        Raises:
            StorageError: the store holds another log.
            DiskError: the disk failed.
        """
        self._signer = signer
        self._writer = open_store()
        with self._writer.transaction():
            self._writer.add_key(signer.keyid, keys.to_pem(signer.public_key))
        self._anchor = anchor
        self._sequencer = Log(self._writer, log_signer, anchor)
        self._refusal: RefusedError | None = None
        try:
            self._sequencer.open(int(now()))
        except RefusedError as error:
            _log.error("log_refused", why=str(error))
            self._refusal = error
        self._reader = open_store()
        #: What is stored, for reading in the event loop's thread.
        self.archive = Archive(self._reader, log_signer.key)
        self._die = die
        self._queue: asyncio.Queue[_Pending] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, "proof-writer")
        self._task: asyncio.Task[None] | None = None
        self._metering = Metering()

    def count(self, meter: Recorder) -> None:
        """Count from here on."""
        self._metering.count(meter, self.archive.size(), self._queue.qsize)

    def start(self) -> None:
        """Begin to take records."""
        self._task = asyncio.create_task(self._write())

    async def stop(self) -> None:
        """Stop; call it when no `sign` is running any more."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._thread.shutdown()
        self._writer.close()
        self._reader.close()
        self._anchor.close()

    async def sign(self, record: Record) -> Bundle:
        """Sign, log and store a record; when this returns, the proof is on disk. The same record again: the same proof.

        Raises:
            RecordError: the record must not be signed.
            ConflictError: another record has this id.
            CorruptError: what an earlier call stored is not what was signed.
            RefusedError: the log must not be extended.
        """
        if self._refusal is not None:
            raise self._refusal
        statement.check(record)
        payload = statement.payload(record)
        done: asyncio.Future[Bundle] = asyncio.get_running_loop().create_future()
        with self._metering.signing():
            self._queue.put_nowait(_Pending(record.request_id, payload, done))
            stored = await done
        if stored.envelope.payload is not payload:  # an earlier call's
            self.archive.check(record.request_id, stored)
            if stored.envelope.payload != payload:
                raise ConflictError
        return stored

    def _append(self, given: Sequence[tuple[str, bytes]]) -> list[Bundle]:
        """Sign and log in the writer's thread: the loop's own would wait for it after each signature."""
        sign, keyid = self._signer.sign, self._signer.keyid
        return self._sequencer.append(
            [(request_id, dsse.Envelope(payload, sign(dsse.pae(payload)), keyid)) for request_id, payload in given]
        )

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = [await self._queue.get()]
            while len(batch) < BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            given = [(pending.request_id, pending.payload) for pending in batch]
            began = loop.time()
            try:
                stored = await loop.run_in_executor(self._thread, self._append, given)
            except Exception as error:  # noqa: BLE001 - it is handed to the callers
                # Nothing of the batch is acknowledged: every caller learns it, and may try again.
                _log.exception("commit_failed", entries=len(given))
                if isinstance(error, DiskError):
                    # Pages that could not be written may be lost while the kernel says they are clean: going on could
                    # acknowledge what a crash takes back. A new process reads what is really there.
                    self._die()
                for pending in batch:
                    if not pending.done.done():
                        pending.done.set_exception(error)
                continue
            sizes = (proof.entry.size for proof in stored if proof.entry)
            self._metering.committed(len(batch), loop.time() - began, max(sizes, default=0))
            for pending, proof in zip(batch, stored, strict=True):
                if not pending.done.done():  # done already when its caller went away
                    pending.done.set_result(proof)
