"""Slots of idempotency keys: what each has led to, sealed by the executor, for a day.

They have a file of their own beside the proofs. Proofs are for ever and slots are deleted by design; a backup of the
proofs must not keep a response longer than a day; and SQLite has one writer a file, whom a proof never waits for here.
"""

from __future__ import annotations

import asyncio
import hmac
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import apsw
import structlog

from proof.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SLOT_BYTES: Final = 32
DIGEST_BYTES: Final = 32
CLAIM_BYTES: Final = 16
MAX_LEASE_S: Final = 3600.0
MAX_SEALED_BYTES: Final = 8 << 20
#: Seconds for which a response is kept, counted from its completion.
KEEP_S: Final = 24 * 3600.0

_SWEEP_S: Final = 60.0
#: Rows deleted in one transaction: claims wait no longer than for that.
_SWEPT_AT_ONCE: Final = 64
#: Pages of 4 KiB, 4 GiB together: slots that fill the disk would leave no room for proofs.
_MAX_PAGES: Final = 1 << 20

# `expires` ends a claim's lease, or the day of a response; a row past it counts as absent. `sealed` stands last, so
# that reading the others reads none of it. `claim` stays when the slot is filled: Complete may be asked twice.
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS slot (
    slot BLOB PRIMARY KEY,
    body_digest BLOB NOT NULL,
    claim BLOB NOT NULL,
    expires REAL NOT NULL,
    sealed BLOB
) STRICT;
CREATE INDEX IF NOT EXISTS slot_by_expiry ON slot (expires);
"""

T = TypeVar("T")
_log = structlog.get_logger()


class DeadClaimError(Exception):
    """The claim is not alive any more: it ran out, was given up, or another one took its place."""


@dataclass(frozen=True)
class Claimed:
    """The slot is the caller's."""

    claim: bytes


@dataclass(frozen=True)
class Kept:
    """The slot is filled."""

    sealed: bytes


@dataclass(frozen=True)
class InProgress:
    """Another claim of the slot is alive, for so many seconds at most."""

    seconds: float


@dataclass(frozen=True)
class Conflict:
    """The slot belongs to another body."""


Outcome: TypeAlias = Claimed | Kept | InProgress | Conflict


class SlotStore:
    """The slots of one file. Owned by one thread at a time; whatever a method did is on disk when it returns."""

    def __init__(self, path: Path, wall_clock: Callable[[], float]) -> None:
        """Open the file, made when missing. Whoever opens a proof `Store` first has had SQLite's version checked.

        Args:
            path: of the file.
            wall_clock: returns unix seconds; leases outlive a process, so a monotonic clock would not do.

        Raises:
            StorageError: the file is no slot store.
        """
        self._clock = wall_clock
        try:
            self._connection = apsw.Connection(str(path))
            self._connection.set_busy_timeout(5_000)
            for pragma in (
                "journal_mode=WAL",
                "synchronous=FULL",
                "trusted_schema=OFF",
                "secure_delete=ON",  # free pages are zeroed
                f"max_page_count={_MAX_PAGES}",
            ):
                self._connection.execute(f"PRAGMA {pragma}")
            self._connection.execute(_SCHEMA)
        except apsw.Error as error:
            raise StorageError(f"{path} can't be opened as a slot store") from error

    @contextmanager
    def _transaction(self) -> Iterator[apsw.Connection]:
        """Hold the file's write lock. A process that dies within has changed nothing."""
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def claim(self, slot: bytes, body_digest: bytes, claim: bytes, lease_s: float) -> Outcome:
        """Make `claim` the slot's, or tell what is in the slot; the same claim again is answered as before."""
        with self._transaction() as connection:
            now = self._clock()
            row: Any = connection.execute(
                "SELECT body_digest, expires, sealed, claim FROM slot WHERE slot = ? AND expires > ?", (slot, now)
            ).fetchone()
            if row is None:
                # REPLACE: a row that is past its time may still be there.
                connection.execute(
                    "INSERT OR REPLACE INTO slot VALUES (?, ?, ?, ?, NULL)", (slot, body_digest, claim, now + lease_s)
                )
                return Claimed(claim)
        present_digest, expires, sealed, present_claim = row
        if not hmac.compare_digest(present_digest, body_digest):
            return Conflict()
        if sealed is not None:
            return Kept(sealed)
        return Claimed(claim) if hmac.compare_digest(present_claim, claim) else InProgress(expires - now)

    def complete(self, slot: bytes, claim: bytes, sealed: bytes) -> None:
        """Fill the slot. The same call again does nothing: its caller may not have heard of the first.

        Raises:
            DeadClaimError: the slot is not this claim's any more, or is filled with something else.
        """
        with self._transaction() as connection:
            now = self._clock()
            row: Any = connection.execute(
                "SELECT claim, sealed FROM slot WHERE slot = ? AND expires > ?", (slot, now)
            ).fetchone()
            if row is None or not hmac.compare_digest(row[0], claim):
                raise DeadClaimError
            if row[1] is None:
                connection.execute(
                    "UPDATE slot SET sealed = ?, expires = ? WHERE slot = ?", (sealed, now + KEEP_S, slot)
                )
            elif row[1] != sealed:
                raise DeadClaimError

    def release(self, slot: bytes, claim: bytes) -> None:
        """Empty the slot, if it is this claim's and not filled."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM slot WHERE slot = ? AND claim = ? AND sealed IS NULL", (slot, claim))

    def sweep(self, limit: int) -> int:
        """Delete at most `limit` rows that are past their time, and return how many there were."""
        with self._transaction() as connection:
            connection.execute(
                "DELETE FROM slot WHERE rowid IN (SELECT rowid FROM slot WHERE expires <= ? LIMIT ?)",
                (self._clock(), limit),
            )
            return connection.changes()

    def forget(self) -> None:
        """Empty the write-ahead log, where deleted rows still are."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class Slots:
    """Owns a store, and the thread in which it waits for the disk, until `stop`."""

    def __init__(self, store: SlotStore) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, "slots")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to delete what is past its time: first what a stopped process has left, then every minute."""
        self._task = asyncio.create_task(self._sweep())

    async def stop(self) -> None:
        """Stop; call it when no other method is running any more."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._thread.shutdown()
        self._store.close()

    def _do(self, work: Callable[..., T], *arguments: Any) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def claim(self, slot: bytes, body_digest: bytes, claim: bytes, lease_s: float) -> Outcome:
        """Claim the slot, or tell what is in it. A caller that goes away meanwhile leaves no claim behind."""
        claiming = self._do(self._store.claim, slot, body_digest, claim, lease_s)
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            # Behind the claim in the thread's queue. Should the process die in between, the lease ends the claim.
            self._do(self._store.release, slot, claim)
            raise

    async def complete(self, slot: bytes, claim: bytes, sealed: bytes) -> None:
        """Fill the slot.

        Raises:
            DeadClaimError: see `SlotStore.complete`.
        """
        await self._do(self._store.complete, slot, claim, sealed)

    async def release(self, slot: bytes, claim: bytes) -> None:
        """Give the slot up."""
        await self._do(self._store.release, slot, claim)

    async def _sweep(self) -> None:
        while True:
            try:
                while await self._do(self._store.sweep, _SWEPT_AT_ONCE) == _SWEPT_AT_ONCE:
                    pass
                await self._do(self._store.forget)
            except Exception:  # noqa: BLE001 - what it left is as good as absent, and the next one finds it
                _log.exception("sweep_failed")
            await asyncio.sleep(_SWEEP_S)
