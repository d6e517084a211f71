"""Signs records and stores the proofs, many callers to one transaction."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from proof import dsse, keys, statement
from proof.storage import DamagedError, Entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric import ec

    from proof.dsse import Envelope
    from proof.keys import Signer
    from proof.statement import Record
    from proof.storage import Store

_BATCH: Final = 64
_log = structlog.get_logger()


class ConflictError(Exception):
    """Another record is already signed under this id."""


class CorruptError(Exception):
    """A stored proof does not verify any more."""


@dataclass(frozen=True)
class _Pending:
    entry: Entry
    done: asyncio.Future[Envelope]


class Notary:
    """Owns the writer's store and its thread from `start` to `stop`.

    A batch is what has queued up while the last one was committed, so a lone caller waits for no one.
    """

    def __init__(self, signer: Signer, open_store: Callable[[], Store]) -> None:
        """Make a notary; `open_store` opens a connection of its own at each call."""
        self._signer = signer
        self._writer = open_store()
        self._reader = open_store()
        self._writer.add_key(signer.keyid, keys.to_pem(signer.public_key))
        self._keys = {signer.keyid: signer.public_key}
        self._queue: asyncio.Queue[_Pending] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, "proof-writer")
        self._task: asyncio.Task[None] | None = None

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

    async def sign(self, record: Record) -> Envelope:
        """Sign and store a record; when this returns, the proof is on disk. The same record again: the same proof.

        Raises:
            RecordError: the record must not be signed.
            ConflictError: another record has this id.
            CorruptError: what an earlier call stored is not what was signed.
        """
        statement.check(record)
        payload = statement.payload(record)
        envelope = dsse.Envelope(payload, self._signer.sign(dsse.pae(payload)), self._signer.keyid)
        done: asyncio.Future[Envelope] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Pending(Entry(record.request_id, envelope), done))
        stored = await done
        if stored is not envelope:
            self._check(record.request_id, stored)
        if stored.payload != payload:
            raise ConflictError
        return stored

    def get(self, request_id: str) -> Envelope | None:
        """Return the proof of an orchestration after checking it.

        Raises:
            CorruptError: what is stored is not what was signed.
        """
        if not statement.REQUEST_ID.fullmatch(request_id):
            return None
        try:
            envelope = self._reader.get(request_id)
            if envelope is not None:
                self._check(request_id, envelope)
        except DamagedError as error:
            raise CorruptError from error
        return envelope

    def _check(self, request_id: str, envelope: Envelope) -> None:
        key = self._key(envelope.keyid)
        if key is None or not dsse.signature_holds(envelope, key):
            raise CorruptError
        if json.loads(envelope.payload)["predicate"]["request_id"] != request_id:
            raise CorruptError

    def _key(self, keyid: str) -> ec.EllipticCurvePublicKey | None:
        """Return a key that has signed here; the id is made of the key, so another one can't take its place."""
        try:
            if keyid not in self._keys and (pem := self._reader.key(keyid)):
                key = keys.from_pem(pem)
                self._keys[keys.keyid(key)] = key
        except (keys.KeyFileError, DamagedError) as error:
            raise CorruptError from error
        return self._keys.get(keyid)

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = [await self._queue.get()]
            while len(batch) < _BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            entries = [pending.entry for pending in batch]
            try:
                stored = await loop.run_in_executor(self._thread, self._writer.add, entries)
            except Exception as error:  # noqa: BLE001 - it is handed to the callers
                # Nothing of the batch is acknowledged: every caller learns it, and may try again.
                _log.exception("commit_failed", entries=len(entries))
                for pending in batch:
                    if not pending.done.done():
                        pending.done.set_exception(error)
                continue
            for pending, envelope in zip(batch, stored, strict=True):
                if not pending.done.done():  # done already when its caller went away
                    pending.done.set_result(envelope)
