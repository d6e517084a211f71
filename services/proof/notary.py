"""Signs records and logs the proofs, many callers to one transaction."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from proof import dsse, keys, statement
from proof.archive import Archive
from proof.log import BATCH, Log, RefusedError
from proof.metering import Metering
from proof.storage import DamagedError, DiskError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from chassis.metrics.meter import Recorder
    from proof.anchor import Anchor
    from proof.backend import Backend
    from proof.bundle import Bundle
    from proof.keyring import Keyring
    from proof.keys import LogSigner, Signer
    from proof.statement import Record

#: Seconds between looks at what other processes have signed, and at whether the database is there.
_FOLLOW_S: Final = 1.0
_log = structlog.get_logger()
#: Seconds between two looks at what the keys need.
_TEND_S: Final = 60.0


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
        keyring: Keyring,
        log_signer: LogSigner,
        backend: Backend,
        anchor: Anchor,
        now: Callable[[], float],
        die: Callable[[], None],
    ) -> None:
        """Make a notary over a log that is begun or compared with its anchor here.

        A log that must not be extended can still be read: then every `sign` says why.

        Args:
            keyring: of the keys that sign proofs; asked in the writer's thread.
            log_signer: of checkpoints.
            backend: the database.
            anchor: where the newest checkpoint is kept besides.
            now: unix seconds.
            die: ends the process at once; called when the disk has failed.

        Raises:
            StorageError: the store holds another log.
            DiskError: the disk failed.
            UnavailableError: the database is not reached.
        """
        self._keyring = keyring
        self._now = now
        self._writer = backend.store()
        #: Of the newest key that was published before it signed.
        self._keyid = ""
        self._publish(keyring.signer())
        self._anchor = anchor
        self._sequencer = Log(self._writer, log_signer, anchor)
        self._refusal: RefusedError | None = None
        self._open()
        #: Whose log it is.
        self.log = log_signer.key
        #: Asks what is stored.
        self.read = backend.reading(log_signer.key)
        self._die = die
        self._queue: asyncio.Queue[_Pending] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, "proof-writer")
        self._tasks: list[asyncio.Task[None]] = []
        self._metering = Metering()

    def count(self, meter: Recorder) -> None:
        """Count from here on."""
        self._metering.count(meter, self._sequencer.size, self._queue.qsize)

    def _open(self) -> None:
        try:
            self._sequencer.open(int(self._now()))
        except RefusedError as error:
            self._refuse(error)
        else:
            self._refusal = None

    def _refuse(self, error: RefusedError) -> None:
        if str(self._refusal) != str(error):  # it is looked at every second, and said once
            _log.error("log_refused", why=str(error))
        self._refusal = error

    def start(self, report: Callable[[bool], Awaitable[None]] | None = None) -> None:
        """Begin to take records, and to follow what other processes sign; `report` is told of the database.

        Args:
            report: awaited with False when the database is not reached, and with True when it is again.
        """
        self._tasks = [asyncio.create_task(work) for work in (self._write(), self._follow(report), self._tend())]

    async def stop(self) -> None:
        """Stop; call it when no `sign` is running any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._thread.shutdown()
        self._writer.close()
        self.read.close()
        self._anchor.close()

    async def sign(self, record: Record) -> Bundle:
        """Sign, log and store a record; when this returns, the proof is on disk. The same record again: the same proof.

        Raises:
            RecordError: the record must not be signed.
            ConflictError: another record has this id.
            CorruptError: what an earlier call stored is not what was signed.
            RefusedError: the log must not be extended.
            SignerError: the key's backend does not sign now; nothing was written.
            UnavailableError: the database is not reached, or said nothing of the commit: the same record again.
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
            await self.read(Archive.check, record.request_id, stored)
            if stored.envelope.payload != payload:
                raise ConflictError
        return stored

    def _append(self, given: Sequence[tuple[str, bytes]]) -> list[Bundle]:
        """Sign and log in the writer's thread: the loop's own would wait for it after each signature."""
        signer = self._keyring.signer()
        if signer.keyid != self._keyid:
            self._publish(signer)
        sign, keyid = signer.sign, signer.keyid
        signed = [(request_id, dsse.Envelope(payload, sign(dsse.pae(payload)), keyid)) for request_id, payload in given]
        try:
            return self._sequencer.append(signed)
        except UnavailableError:
            # A connection that broke, maybe while committing. Over another one the ids tell what is there already.
            return self._sequencer.append(signed)

    def _look(self) -> None:
        if self._refusal is not None:
            self._open()
        else:
            self._sequencer.follow()

    async def _follow(self, report: Callable[[bool], Awaitable[None]] | None) -> None:
        loop = asyncio.get_running_loop()
        reached = True
        while True:
            await asyncio.sleep(_FOLLOW_S)
            was, reached = reached, True
            try:
                await loop.run_in_executor(self._thread, self._look)
                self._metering.grown(self._sequencer.size)
            except UnavailableError:
                reached = False
            except DiskError:
                self._die()
            except RefusedError as error:
                self._refuse(error)
            except Exception:  # noqa: BLE001 - the next look finds it again
                _log.exception("follow_failed")
            if reached != was:
                _log.warning("database_reached" if reached else "database_not_reached")
                if report is not None:
                    await report(reached)

    def _publish(self, signer: Signer | None = None) -> None:
        """Let the keyring do what is due, and publish its keys, and the signer's before it signs.

        In the writer's thread, or before there is one. A process that dies within has published nothing, and the next
        one does.
        """
        with self._writer.transaction():
            known = set(self._writer.keyids())
            new = self._keyring.tend(known, self._writer.revoked())
            if signer is not None:
                new.setdefault(signer.keyid, signer.public_key)
            for keyid, public in new.items():
                self._writer.add_key(keyid, keys.to_pem(public))
        if signer is not None:
            self._keyid = signer.keyid

    async def _tend(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_TEND_S)
            try:
                await loop.run_in_executor(self._thread, self._publish)
            except DiskError:
                self._die()
            except UnavailableError:
                pass  # `_follow` says so
            except DamagedError:
                _log.error("keys_not_published", why="the store's table of keys can't be read")

    def _failed(self, error: Exception, entries: int) -> None:
        """Say what became of a batch."""
        match error:
            case keys.SignerError():
                _log.error("signer_failed", entries=entries, why=str(error))
            case UnavailableError():
                _log.error("commit_unknown", entries=entries)
            case _:
                _log.error("commit_failed", entries=entries, exc_info=error)
        if isinstance(error, DiskError):
            # Pages that could not be written may be lost while the kernel says they are clean: going on could
            # acknowledge what a crash takes back. A new process reads what is really there.
            self._die()

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
                self._failed(error, len(batch))
                for pending in batch:
                    if not pending.done.done():
                        pending.done.set_exception(error)
                continue
            sizes = (proof.entry.size for proof in stored if proof.entry)
            self._metering.committed(len(batch), loop.time() - began, max(sizes, default=0))
            for pending, proof in zip(batch, stored, strict=True):
                if not pending.done.done():  # done already when its caller went away
                    pending.done.set_result(proof)
