"""The store in SQLite: one file, one writer.

Not the interpreter's sqlite3: 3.7.0 to 3.51.2 can lose committed data in WAL mode (sqlite.org/wal.html#walresetbug).
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import apsw

from proof.dsse import Envelope
from proof.rows import LogRow, Row, StoredCheckpoint
from proof.sqlite import schema
from proof.storage import EMPTY, DamagedError, DiskError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_SAFE_VERSION: Final = (3, 51, 3)
_PROOF: Final = "SELECT log_index, request_id, payload, signature, keyid FROM proof WHERE "


def _row(found: Any) -> Row:
    index, request_id, *envelope = found
    return Row(index, request_id, Envelope(*envelope))


class SqliteStore:
    """One file as a `Store`. Owned by one thread at a time: the connection is not shared."""

    def __init__(self, path: Path, *, writable: bool = True, busy_ms: int = 5_000) -> None:
        """Open the file; when it is to be written it is made when missing, and brought to this version.

        Args:
            path: of the file.
            writable: False: nothing of it is changed.
            busy_ms: milliseconds to wait for another writer.

        Raises:
            StorageError: this SQLite is not safe, or the file is no store, or a newer one.
        """
        version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
        if version < _SAFE_VERSION:
            raise StorageError(f"SQLite {apsw.sqlite_lib_version()} can lose data; 3.51.3 or newer is needed")
        try:
            # Not SQLITE_OPEN_READONLY: after a crash the write-ahead log has to be recovered, even by a reader.
            flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if writable else 0)
            self._connection = apsw.Connection(str(path), flags=flags)
            self._connection.set_busy_timeout(busy_ms)
            if writable:
                for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "trusted_schema=OFF"):
                    self._connection.execute(f"PRAGMA {pragma}")
                schema.migrate(self._connection)
            else:
                self._connection.pragma("query_only", True)
                if self._connection.pragma("user_version") != schema.VERSION:
                    raise StorageError(f"{path} is of another version")
        except schema.UnknownVersionError as error:
            raise StorageError(f"{path} was written by a newer version of openprysm") from error
        except apsw.Error as error:
            raise StorageError(f"{path} can't be opened as a proof store") from error

    def _all(self, query: str, *values: Any) -> list[Any]:
        try:
            return list(self._connection.execute(query, values))
        except (apsw.CorruptError, apsw.NotADBError) as error:
            raise DamagedError from error

    def _one(self, query: str, *values: Any) -> Any:
        return next(iter(self._all(query, *values)), None)

    def key(self, keyid: str) -> bytes | None:
        """Return a public key as PEM."""
        row = self._one("SELECT public_pem FROM signing_key WHERE keyid = ?", keyid)
        return row[0] if row else None

    def keyids(self) -> list[str]:
        """Return the ids of all keys, in the order in which they came."""
        return [keyid for (keyid,) in self._all("SELECT keyid FROM signing_key ORDER BY rowid")]

    def first_signed(self) -> dict[str, int]:
        """Return for each key that has signed the index of its first proof. It reads all proofs, so it is slow."""
        return dict(self._all("SELECT keyid, min(log_index) FROM proof GROUP BY keyid"))

    def revoked(self) -> dict[str, int]:
        """Return for each revoked key the index from which on its proofs do not count."""
        return dict(self._all("SELECT keyid, from_index FROM revocation"))

    def revoked_from(self, keyid: str) -> int | None:
        """Return the index from which on proofs of a key do not count; None: it is not revoked."""
        row = self._one("SELECT from_index FROM revocation WHERE keyid = ?", keyid)
        return row[0] if row else None

    def log(self) -> LogRow | None:
        """Return which log this is; None before the first start."""
        row = self._one("SELECT origin, public_key, created FROM log")
        return LogRow(*row) if row else None

    def get(self, request_id: str) -> Row | None:
        """Return the proof of an orchestration."""
        row = self._one(_PROOF + "request_id = ?", request_id)
        return _row(row) if row else None

    def find(self, request_ids: Iterable[str]) -> dict[str, Row]:
        """Return the proofs of orchestrations that have one, by their ids."""
        ids = json.dumps(list(request_ids))
        found = self._all(_PROOF + "request_id IN (SELECT value FROM json_each(?))", ids)  # noqa: S608 - our own text
        return {row.request_id: row for row in map(_row, found)}

    def rows(self, start: int, count: int) -> list[Row]:
        """Return the proofs from an index on, at most `count`."""
        found = self._all(_PROOF + "log_index >= ? ORDER BY log_index LIMIT ?", start, count)
        return [_row(row) for row in found]

    def tile(self, level: int, number: int) -> bytes:
        """Return the hashes of a tile; empty when there is none."""
        row = self._one("SELECT hashes FROM tile WHERE level = ? AND number = ?", level, number)
        return row[0] if row else b""

    def checkpoint(self) -> StoredCheckpoint:
        """Return the newest checkpoint; one of size 0 without a note before the first."""
        row = self._one("SELECT size, root, note FROM checkpoint ORDER BY size DESC LIMIT 1")
        return StoredCheckpoint(*row) if row else EMPTY

    def checkpoint_over(self, index: int) -> StoredCheckpoint | None:
        """Return the first checkpoint that covers an index."""
        row = self._one("SELECT size, root, note FROM checkpoint WHERE size > ? ORDER BY size LIMIT 1", index)
        return StoredCheckpoint(*row) if row else None

    def unlogged(self, start: int, count: int) -> list[Row]:
        """Return proofs from before the log, at most `count`, from the index on that they will have in it."""
        if not self._connection.table_exists(None, "unlogged"):
            return []
        found = self._all(
            "SELECT rowid - 1, request_id, payload, signature, keyid FROM unlogged WHERE rowid > ?"
            " ORDER BY rowid LIMIT ?",
            start,
            count,
        )
        return [_row(row) for row in found]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the file's write lock; at the end, everything is on disk.

        A process that dies within has changed nothing, or all of it when it died while committing: who asks again
        finds out.

        Raises:
            DiskError: the disk is full or failed; the caller must end the process.
        """
        connection = self._connection
        try:
            # Not `with connection`: that holds the interpreter's lock while it waits for the file's, and for the disk.
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except (apsw.IOError, apsw.FullError) as error:
            raise DiskError from error

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read one state of the file, whatever is committed meanwhile."""
        self._connection.execute("BEGIN DEFERRED")
        try:
            yield
        finally:
            self._connection.execute("ROLLBACK")

    def begin_log(self, log: LogRow) -> None:
        """Say which log this is; only once."""
        self._connection.execute("INSERT INTO log VALUES (1, ?, ?, ?)", (log.origin, log.public_key, log.created))

    def add_key(self, keyid: str, public_pem: bytes) -> None:
        """Remember a public key for ever: proofs that it signed stay verifiable after it is replaced."""
        self._connection.execute(
            "INSERT INTO signing_key SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM signing_key WHERE keyid = ?1)",
            (keyid, public_pem),
        )

    def revoke(self, keyid: str, from_index: int) -> None:
        """Say that what a key signed counts only below an index."""
        self._connection.execute("INSERT INTO revocation VALUES (?, ?)", (keyid, from_index))

    def add(self, rows: Sequence[Row]) -> None:
        """Add proofs, at least one; their indices must be the next ones, in order.

        One statement for all: between two of them the interpreter's lock goes to another thread, and comes back late.
        """
        values: list[Any] = []
        for row in rows:
            envelope = row.envelope
            values += (row.index, row.request_id, envelope.payload, envelope.signature, envelope.keyid)
        self._connection.execute(
            "INSERT INTO proof VALUES " + ", ".join(["(?, ?, ?, ?, ?)"] * len(rows)),  # noqa: S608 - no text of anyone
            values,
        )

    def put_tile(self, level: int, number: int, hashes: bytes) -> None:
        """Add a tile, or let it grow."""
        connection = self._connection
        connection.execute("UPDATE tile SET hashes = ? WHERE level = ? AND number = ?", (hashes, level, number))
        if not connection.changes():
            connection.execute("INSERT INTO tile VALUES (?, ?, ?)", (level, number, hashes))

    def add_checkpoint(self, checkpoint: StoredCheckpoint) -> None:
        """Add a checkpoint of a larger tree than any before."""
        self._connection.execute(
            "INSERT INTO checkpoint VALUES (?, ?, ?)", (checkpoint.size, checkpoint.root, checkpoint.note)
        )

    def end_unlogged(self) -> None:
        """Forget that there were proofs from before the log."""
        self._connection.execute("DROP TABLE IF EXISTS unlogged")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
