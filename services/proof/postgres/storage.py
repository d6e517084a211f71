"""The store in PostgreSQL: many replicas, of which the one that holds the lock of the row `turn` writes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg

from proof.dsse import Envelope
from proof.postgres.connection import translated
from proof.rows import LogRow, Row, StoredCheckpoint
from proof.storage import EMPTY, StorageError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import LiteralString

    from proof.postgres.connection import Connection

_PROOF: Final = "SELECT log_index, request_id, payload, signature, keyid FROM proof WHERE "


def _row(found: Any) -> Row:
    index, request_id, *envelope = found
    return Row(index, request_id, Envelope(*envelope))


class PostgresStore:
    """A database as a `Store`. Owned by one thread at a time, as its connection is."""

    def __init__(self, connection: Callable[[], Connection], close: Callable[[], None] = lambda: None) -> None:
        """Make one.

        Args:
            connection: returns the connection to use now; another one when that has broken.
            close: called at the end.
        """
        self._connection = connection
        self._close = close
        #: Within a transaction or a snapshot: no other one may take its place.
        self._held: Connection | None = None

    def _all(self, query: LiteralString, *values: Any) -> list[Any]:
        with translated():
            return (self._held or self._connection()).execute(query, values, binary=True).fetchall()

    def _one(self, query: LiteralString, *values: Any) -> Any:
        return next(iter(self._all(query, *values)), None)

    def _do(self, statement: LiteralString, *values: Any) -> None:
        with translated():
            (self._held or self._connection()).execute(statement, values)

    def key(self, keyid: str) -> bytes | None:
        """Return a public key as PEM."""
        row = self._one("SELECT public_pem FROM signing_key WHERE keyid = %s", keyid)
        return row[0] if row else None

    def keyids(self) -> list[str]:
        """Return the ids of all keys, in the order in which they came."""
        return [keyid for (keyid,) in self._all("SELECT keyid FROM signing_key ORDER BY place")]

    def first_signed(self) -> dict[str, int]:
        """Return for each key that has signed the index of its first proof. It reads all proofs, so it is slow."""
        return dict(self._all("SELECT keyid, min(log_index) FROM proof GROUP BY keyid"))

    def revoked(self) -> dict[str, int]:
        """Return for each revoked key the index from which on its proofs do not count."""
        return dict(self._all("SELECT keyid, from_index FROM revocation"))

    def revoked_from(self, keyid: str) -> int | None:
        """Return the index from which on proofs of a key do not count; None: it is not revoked."""
        row = self._one("SELECT from_index FROM revocation WHERE keyid = %s", keyid)
        return row[0] if row else None

    def log(self) -> LogRow | None:
        """Return which log this is; None before the first start."""
        row = self._one("SELECT origin, public_key, created FROM log")
        return LogRow(*row) if row else None

    def get(self, request_id: str) -> Row | None:
        """Return the proof of an orchestration."""
        row = self._one(_PROOF + "request_id = %s", request_id)
        return _row(row) if row else None

    def find(self, request_ids: Iterable[str]) -> dict[str, Row]:
        """Return the proofs of orchestrations that have one, by their ids."""
        found = self._all(_PROOF + "request_id = ANY(%s)", list(request_ids))
        return {row.request_id: row for row in map(_row, found)}

    def rows(self, start: int, count: int) -> list[Row]:
        """Return the proofs from an index on, at most `count`."""
        found = self._all(_PROOF + "log_index >= %s ORDER BY log_index LIMIT %s", start, count)
        return [_row(row) for row in found]

    def tile(self, level: int, number: int) -> bytes:
        """Return the hashes of a tile; empty when there is none."""
        row = self._one("SELECT hashes FROM tile WHERE level = %s AND number = %s", level, number)
        return row[0] if row else b""

    def checkpoint(self) -> StoredCheckpoint:
        """Return the newest checkpoint; one of size 0 without a note before the first."""
        row = self._one("SELECT size, root, note FROM checkpoint ORDER BY size DESC LIMIT 1")
        return StoredCheckpoint(*row) if row else EMPTY

    def checkpoint_over(self, index: int) -> StoredCheckpoint | None:
        """Return the first checkpoint that covers an index."""
        row = self._one("SELECT size, root, note FROM checkpoint WHERE size > %s ORDER BY size LIMIT 1", index)
        return StoredCheckpoint(*row) if row else None

    def unlogged(self, start: int, count: int) -> list[Row]:  # noqa: ARG002 - the Protocol's
        """Return nothing: there was no PostgreSQL before the log."""
        return []

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the lock of the row `turn`; at the end, everything is durable.

        READ COMMITTED is enough: each statement after the lock sees all that earlier holders have committed.

        Raises:
            UnavailableError: nothing was written, or all of it.
        """
        with self._within("READ COMMITTED READ WRITE") as connection:
            if connection.execute("SELECT one FROM turn FOR UPDATE").fetchone() is None:
                raise StorageError("the database has lost its turn, so nothing is written")
            yield
            # The session may have been ended while this process slept, or the primary have died: then this raises, and
            # only who asks anew learns whether it was committed.
            if connection.execute("COMMIT").statusmessage != "COMMIT":
                raise UnavailableError("a statement of the transaction had failed")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read one state of the database, whatever is committed meanwhile."""
        with self._within("REPEATABLE READ READ ONLY"):
            yield

    @contextmanager
    def _within(self, mode: LiteralString) -> Iterator[Connection]:
        with translated():
            connection = self._connection()
            connection.execute("BEGIN ISOLATION LEVEL " + mode)
            self._held = connection
            try:
                yield connection
            finally:
                self._held = None
                try:
                    connection.rollback()  # nothing, after a commit
                except psycopg.Error:
                    connection.close()

    def begin_log(self, log: LogRow) -> None:
        """Say which log this is; only once."""
        self._do("INSERT INTO log VALUES (1, %s, %s, %s)", log.origin, log.public_key, log.created)

    def add_key(self, keyid: str, public_pem: bytes) -> None:
        """Remember a public key for ever: proofs that it signed stay verifiable after it is replaced."""
        self._do("INSERT INTO signing_key VALUES (%s, %s) ON CONFLICT (keyid) DO NOTHING", keyid, public_pem)

    def revoke(self, keyid: str, from_index: int) -> None:
        """Say that what a key signed counts only below an index."""
        self._do("INSERT INTO revocation VALUES (%s, %s)", keyid, from_index)

    def add(self, rows: Sequence[Row]) -> None:
        """Add proofs, at least one; their indices must be the next ones, in order."""
        self._do(
            "INSERT INTO proof SELECT * FROM unnest(%s::bigint[], %s::text[], %s::bytea[], %s::bytea[], %s::text[])",
            [row.index for row in rows],
            [row.request_id for row in rows],
            [row.envelope.payload for row in rows],
            [row.envelope.signature for row in rows],
            [row.envelope.keyid for row in rows],
        )

    def put_tile(self, level: int, number: int, hashes: bytes) -> None:
        """Add a tile, or let it grow."""
        self._do(
            "INSERT INTO tile VALUES (%s, %s, %s) ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes",
            level,
            number,
            hashes,
        )

    def add_checkpoint(self, checkpoint: StoredCheckpoint) -> None:
        """Add a checkpoint of a larger tree than any before."""
        self._do("INSERT INTO checkpoint VALUES (%s, %s, %s)", checkpoint.size, checkpoint.root, checkpoint.note)

    def end_unlogged(self) -> None:
        """Do nothing: there was no PostgreSQL before the log."""

    def close(self) -> None:
        """Close the connection, if it is this store's own."""
        self._close()
