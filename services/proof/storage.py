"""Where proofs are kept: SQLite, one file, one writer.

Not the interpreter's sqlite3: 3.7.0 to 3.51.2 can lose committed data in WAL mode (sqlite.org/wal.html#walresetbug).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import apsw

from proof.dsse import Envelope

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SAFE_VERSION: Final = (3, 51, 3)

# Rows are only ever added: the triggers say so to whoever opens the file. Those on INSERT are for INSERT OR REPLACE,
# which deletes without asking the others.
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS signing_key (
    keyid TEXT PRIMARY KEY,
    public_pem BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS proof (
    request_id TEXT PRIMARY KEY,
    payload BLOB NOT NULL,
    signature BLOB NOT NULL,
    keyid TEXT NOT NULL REFERENCES signing_key
) STRICT, WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS proof_is_never_changed BEFORE UPDATE ON proof
    BEGIN SELECT RAISE(ABORT, 'proofs are never changed'); END;
CREATE TRIGGER IF NOT EXISTS proof_is_never_deleted BEFORE DELETE ON proof
    BEGIN SELECT RAISE(ABORT, 'proofs are never deleted'); END;
CREATE TRIGGER IF NOT EXISTS proof_is_never_replaced BEFORE INSERT ON proof
    WHEN EXISTS (SELECT 1 FROM proof WHERE request_id = NEW.request_id)
    BEGIN SELECT RAISE(ABORT, 'proofs are never replaced'); END;
CREATE TRIGGER IF NOT EXISTS key_is_never_changed BEFORE UPDATE ON signing_key
    BEGIN SELECT RAISE(ABORT, 'keys are never changed'); END;
CREATE TRIGGER IF NOT EXISTS key_is_never_deleted BEFORE DELETE ON signing_key
    BEGIN SELECT RAISE(ABORT, 'keys are never deleted'); END;
CREATE TRIGGER IF NOT EXISTS key_is_never_replaced BEFORE INSERT ON signing_key
    WHEN EXISTS (SELECT 1 FROM signing_key WHERE keyid = NEW.keyid)
    BEGIN SELECT RAISE(ABORT, 'keys are never replaced'); END;
"""


class StorageError(Exception):
    """The store can't be used; the text is one line for the operator."""


class DamagedError(Exception):
    """A part of the file is not what was written."""


@dataclass(frozen=True)
class Entry:
    """A signed proof under its orchestration's id."""

    request_id: str
    envelope: Envelope


class Store:
    """The proofs of one file. Owned by one thread at a time: the connection is not shared."""

    def __init__(self, path: Path) -> None:
        """Open the file, made when missing.

        Raises:
            StorageError: this SQLite is not safe, or the file is no store.
        """
        version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
        if version < _SAFE_VERSION:
            raise StorageError(f"SQLite {apsw.sqlite_lib_version()} can lose data; 3.51.3 or newer is needed")
        try:
            self._connection = apsw.Connection(str(path))
            self._connection.set_busy_timeout(5_000)
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "trusted_schema=OFF"):
                self._connection.execute(f"PRAGMA {pragma}")
            self._connection.execute(_SCHEMA)
        except apsw.Error as error:
            raise StorageError(f"{path} can't be opened as a proof store") from error

    def add_key(self, keyid: str, public_pem: bytes) -> None:
        """Remember a public key for ever: proofs that it signed stay verifiable after it is replaced."""
        self._connection.execute(
            "INSERT INTO signing_key SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM signing_key WHERE keyid = ?1)",
            (keyid, public_pem),
        )

    def _row(self, query: str, key: str) -> Any:
        try:
            return self._connection.execute(query, (key,)).fetchone()
        except (apsw.CorruptError, apsw.NotADBError) as error:
            raise DamagedError from error

    def key(self, keyid: str) -> bytes | None:
        """Return a public key as PEM.

        Raises:
            DamagedError: the file can't be read there.
        """
        row = self._row("SELECT public_pem FROM signing_key WHERE keyid = ?", keyid)
        return row[0] if row else None

    def get(self, request_id: str) -> Envelope | None:
        """Return the proof of an orchestration.

        Raises:
            DamagedError: the file can't be read there.
        """
        row = self._row("SELECT payload, signature, keyid FROM proof WHERE request_id = ?", request_id)
        return Envelope(*row) if row else None

    def add(self, entries: Sequence[Entry]) -> list[Envelope]:
        """Store the entries in one transaction and return what is now stored under each one's id.

        An id that was there already keeps its proof. When this returns, everything is on disk. When it raises, or the
        process dies within, all of it may be there after a restart, or nothing: who asks again finds out.
        """
        stored = []
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            for entry in entries:
                present = self.get(entry.request_id)
                if present is None:
                    envelope = entry.envelope
                    connection.execute(
                        "INSERT INTO proof VALUES (?, ?, ?, ?)",
                        (entry.request_id, envelope.payload, envelope.signature, envelope.keyid),
                    )
                stored.append(present or entry.envelope)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return stored

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
