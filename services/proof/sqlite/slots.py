"""The slots of idempotency keys in SQLite: a file of their own, since SQLite has one writer a file."""

from __future__ import annotations

import hmac
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import apsw

from proof.idempotency import KEEP_S, Claimed, Conflict, DeadClaimError, InProgress, Kept
from proof.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from proof.idempotency import Outcome

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


class SqliteSlotStore:
    """The slots of one file as a `SlotStore`. Owned by one thread at a time."""

    def __init__(self, path: Path, wall_clock: Callable[[], float]) -> None:
        """Open the file, made when missing. Whoever opens a `SqliteStore` first has had SQLite's version checked.

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
