"""The tables of the proof store in SQLite, and how a file of an older version comes to have them.

`PRAGMA user_version` is the version of a file: 0 has proofs without a log, 1 has the log. Not alembic, which brings
PostgreSQL up to date: it would open the file with the interpreter's sqlite3, which can lose what others commit. And a
file belongs to one machine, so the service that opens it can as well bring it to its version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import apsw

VERSION: Final = 1


def _guarded(table: str, key: str, word: str) -> str:
    """Return triggers that let rows only be added, whoever opens the file.

    The one on INSERT is for INSERT OR REPLACE, which deletes without asking the others.
    """
    return f"""
CREATE TRIGGER {table}_is_never_changed BEFORE UPDATE ON {table}
    BEGIN SELECT RAISE(ABORT, '{word} are never changed'); END;
CREATE TRIGGER {table}_is_never_deleted BEFORE DELETE ON {table}
    BEGIN SELECT RAISE(ABORT, '{word} are never deleted'); END;
CREATE TRIGGER {table}_is_never_replaced BEFORE INSERT ON {table}
    WHEN EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key})
    BEGIN SELECT RAISE(ABORT, '{word} are never replaced'); END;
"""  # noqa: S608 - our own names


# A tile holds 32 bytes a hash, 1..256 of them: the last one of a level grows in place, the others are complete.
_TABLES: Final = f"""
CREATE TABLE IF NOT EXISTS signing_key (
    keyid TEXT PRIMARY KEY,
    public_pem BLOB NOT NULL
) STRICT;
CREATE TABLE revocation (
    keyid TEXT PRIMARY KEY REFERENCES signing_key,
    from_index INTEGER NOT NULL
) STRICT;
CREATE TABLE log (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    origin TEXT NOT NULL,
    public_key BLOB NOT NULL,
    created INTEGER NOT NULL
) STRICT;
CREATE TABLE proof (
    log_index INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL UNIQUE,
    payload BLOB NOT NULL,
    signature BLOB NOT NULL,
    keyid TEXT NOT NULL REFERENCES signing_key
) STRICT;
CREATE TABLE tile (
    level INTEGER NOT NULL,
    number INTEGER NOT NULL,
    hashes BLOB NOT NULL,
    PRIMARY KEY (level, number)
) STRICT;
CREATE TABLE checkpoint (
    size INTEGER PRIMARY KEY,
    root BLOB NOT NULL,
    note TEXT NOT NULL
) STRICT;
{_guarded("proof", "request_id", "proofs")}
{_guarded("revocation", "keyid", "revocations")}
{_guarded("log", "only", "logs")}
{_guarded("checkpoint", "size", "checkpoints")}
CREATE TRIGGER proof_takes_the_next_index BEFORE INSERT ON proof
    WHEN NEW.log_index != (SELECT coalesce(max(log_index) + 1, 0) FROM proof)
    BEGIN SELECT RAISE(ABORT, 'indices are contiguous'); END;
CREATE TRIGGER checkpoint_is_of_a_larger_tree BEFORE INSERT ON checkpoint
    WHEN NEW.size <= (SELECT coalesce(max(size), 0) FROM checkpoint)
    BEGIN SELECT RAISE(ABORT, 'a log never shrinks'); END;
CREATE TRIGGER tile_only_grows BEFORE UPDATE ON tile
    WHEN NEW.level != OLD.level OR NEW.number != OLD.number
        OR substr(NEW.hashes, 1, length(OLD.hashes)) IS NOT OLD.hashes
    BEGIN SELECT RAISE(ABORT, 'tiles only grow'); END;
CREATE TRIGGER tile_is_never_deleted BEFORE DELETE ON tile
    BEGIN SELECT RAISE(ABORT, 'tiles are never deleted'); END;
CREATE TRIGGER tile_is_never_replaced BEFORE INSERT ON tile
    WHEN EXISTS (SELECT 1 FROM tile WHERE level = NEW.level AND number = NEW.number)
    BEGIN SELECT RAISE(ABORT, 'tiles are never replaced'); END;
"""  # noqa: S608 - our own names
#: Of version 0 the keys stay; their guards went by another name.
_KEY_GUARDS: Final = "".join(
    f"DROP TRIGGER IF EXISTS key_is_never_{done};" for done in ("changed", "deleted", "replaced")
) + _guarded("signing_key", "keyid", "keys")
#: Proofs from before the log wait in `unlogged`, in the order in which they will be in the log: row n gets index n - 1.
_SET_ASIDE: Final = """
CREATE TABLE unlogged AS SELECT request_id, payload, signature, keyid FROM proof
    ORDER BY CAST(payload AS TEXT) ->> '$.predicate.created', request_id;
DROP TABLE proof;
"""


class UnknownVersionError(Exception):
    """A newer version of this program has written the file."""


def migrate(connection: apsw.Connection) -> None:
    """Bring the file to this version, in one transaction: it has all of a version or nothing of it.

    Raises:
        UnknownVersionError: the file is newer than this program.
    """
    if connection.pragma("user_version") == VERSION:
        return  # without a lock: a writer is not waited for
    connection.transaction_mode = "IMMEDIATE"
    with connection:
        version = connection.pragma("user_version")
        if version > VERSION:
            raise UnknownVersionError
        if version < VERSION:
            if connection.table_exists(None, "proof"):
                connection.execute(_SET_ASIDE)
            connection.execute(_TABLES)
            connection.execute(_KEY_GUARDS)
            connection.pragma("user_version", VERSION)
