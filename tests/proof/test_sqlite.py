"""What is SQLite's own: triggers, files of old versions, full and damaged ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw
import pytest

from proof.rows import LogRow, Row, StoredCheckpoint
from proof.sqlite.storage import SqliteStore
from proof.storage import DamagedError, DiskError, StorageError

from .stores import Sqlite
from .test_storage import row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def file(folder: Path) -> Path:
    return folder / "proof.db"


@pytest.fixture
def store(file: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(file)
    opened.add_key("key", b"pem")
    yield opened
    opened.close()


def rows(file: Path) -> int:
    return len(Sqlite(file.parent).select("SELECT 1 FROM proof"))


def add(store: SqliteStore, *given: Row) -> None:
    with store.transaction():
        store.add(given)


def test_a_full_file_is_a_disk_error_and_leaves_nothing(store: SqliteStore, file: Path) -> None:
    add(store, row(0, "a"))
    store._connection.pragma("max_page_count", store._connection.pragma("page_count"))
    with pytest.raises(DiskError):
        add(store, row(1, "b", b"x" * 100_000))
    assert rows(file) == 1


def test_a_file_that_another_process_holds_is_waited_for_and_then_an_error(store: SqliteStore, file: Path) -> None:
    other = apsw.Connection(str(file))
    other.execute("BEGIN IMMEDIATE")
    store._connection.set_busy_timeout(10)
    with pytest.raises(apsw.BusyError):
        add(store, row(0, "a"))
    other.execute("ROLLBACK")
    other.close()
    add(store, row(0, "a"))
    assert rows(file) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE proof SET payload = x'00'",
        "UPDATE OR REPLACE proof SET request_id = 'b'",
        "DELETE FROM proof",
        "REPLACE INTO proof VALUES (1, 'a', x'00', x'00', 'key')",
        "REPLACE INTO proof VALUES (0, 'b', x'00', x'00', 'key')",
        "INSERT OR IGNORE INTO proof VALUES (1, 'a', x'00', x'00', 'key')",
        "INSERT INTO proof VALUES (1, 'a', x'', x'', 'key') ON CONFLICT DO UPDATE SET payload = x'00'",
        "DELETE FROM tile",
        "REPLACE INTO tile VALUES (0, 0, x'00')",
        "UPDATE checkpoint SET note = ''",
        "DELETE FROM checkpoint",
        "REPLACE INTO checkpoint VALUES (1, x'00', '')",
        "UPDATE log SET origin = 'b'",
        "DELETE FROM log",
        "REPLACE INTO log VALUES (1, 'b', x'00', 1)",
        "UPDATE revocation SET from_index = 9",
        "DELETE FROM revocation",
        "REPLACE INTO revocation VALUES ('key', 9)",
        "UPDATE signing_key SET public_pem = x'00'",
        "DELETE FROM signing_key",
        "REPLACE INTO signing_key VALUES ('key', x'00')",
    ],
)
def test_rows_can_only_be_added_by_whoever_opens_the_file(store: SqliteStore, file: Path, statement: str) -> None:
    add(store, row(0, "a"))
    store.put_tile(0, 0, b"h" * 32)
    store.add_checkpoint(StoredCheckpoint(1, b"root", "note"))
    store.begin_log(LogRow("a", b"key", 1))
    store.revoke("key", 5)
    other = apsw.Connection(str(file))
    with pytest.raises(apsw.ConstraintError, match=r"never|contiguous"):
        other.execute(statement)
    other.close()
    assert store.get("a") == row(0, "a")
    assert store.key("key") == b"pem"


#: The tables of the version before the log, as it made them.
VERSION_0 = """
CREATE TABLE signing_key (keyid TEXT PRIMARY KEY, public_pem BLOB NOT NULL) STRICT;
CREATE TABLE proof (
    request_id TEXT PRIMARY KEY, payload BLOB NOT NULL, signature BLOB NOT NULL,
    keyid TEXT NOT NULL REFERENCES signing_key
) STRICT, WITHOUT ROWID;
CREATE TRIGGER proof_is_never_changed BEFORE UPDATE ON proof
    BEGIN SELECT RAISE(ABORT, 'proofs are never changed'); END;
CREATE TRIGGER proof_is_never_deleted BEFORE DELETE ON proof
    BEGIN SELECT RAISE(ABORT, 'proofs are never deleted'); END;
CREATE TRIGGER key_is_never_deleted BEFORE DELETE ON signing_key
    BEGIN SELECT RAISE(ABORT, 'keys are never deleted'); END;
"""


_OLD_ROWS = """
INSERT INTO signing_key VALUES ('key', x'70656d');
INSERT INTO proof VALUES ('a', CAST('{"predicate":{"created":3}}' AS BLOB), x'01', 'key');
INSERT INTO proof VALUES ('c', CAST('{"predicate":{"created":2}}' AS BLOB), x'02', 'key');
INSERT INTO proof VALUES ('b', CAST('{"predicate":{"created":2}}' AS BLOB), x'03', 'key');
"""


def test_proofs_from_before_the_log_are_set_aside_in_the_order_of_their_making(file: Path) -> None:
    old = apsw.Connection(str(file))
    old.execute(VERSION_0 + _OLD_ROWS)
    old.close()
    for _ in range(2):  # the second time there is nothing to do
        opened = SqliteStore(file)
        assert [(each.index, each.request_id) for each in opened.unlogged(0, 10)] == [(0, "b"), (1, "c"), (2, "a")]
        assert [each.request_id for each in opened.unlogged(1, 1)] == ["c"]
        assert (opened.get("a"), opened.key("key")) == (None, b"pem")
        opened.close()
    opened = SqliteStore(file)
    with pytest.raises(apsw.ConstraintError, match="keys are never deleted"):
        opened._connection.execute("DELETE FROM signing_key")
    opened.end_unlogged()
    assert opened.unlogged(0, 10) == []
    opened.close()


def test_a_file_of_a_newer_version_is_refused_in_one_line(file: Path) -> None:
    newer = apsw.Connection(str(file))
    newer.pragma("user_version", 99)
    newer.close()
    with pytest.raises(StorageError, match="newer version"):
        SqliteStore(file)


def test_commits_are_on_disk_before_they_are_acknowledged(store: SqliteStore) -> None:
    pragma = store._connection.pragma
    assert pragma("journal_mode") == "wal"
    assert pragma("synchronous") == 2  # FULL: an fsync of the log at every commit
    assert pragma("foreign_keys") == 1


@pytest.mark.parametrize("version", ["3.40.1", "3.51.2", "3.7.0", "2.8.17"])
def test_a_sqlite_that_can_lose_data_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: version)
    with pytest.raises(StorageError, match=version):
        SqliteStore(file)
    assert not file.exists()


def test_what_is_no_store_is_refused_in_one_line(folder: Path) -> None:
    (folder / "text").write_text("no database at all, but long enough to be looked at " * 10)
    for path in (folder / "text", folder, folder / "none" / "proof.db"):
        with pytest.raises(StorageError, match=f"^{path} can't be opened as a proof store$"):
            SqliteStore(path)


def test_a_damaged_page_is_told_apart_from_a_proof_that_is_not_there(file: Path) -> None:
    opened = SqliteStore(file)
    opened.add_key("key", b"pem")
    add(opened, *(row(number, f"{number:032x}", b"x" * 2_000) for number in range(50)))
    opened.close()
    raw = bytearray(file.read_bytes())
    page = 4096
    for start in range(len(raw) - 10 * page, len(raw), page):  # the headers of the last pages
        raw[start : start + 12] = b"\xff" * 12
    file.write_bytes(raw)
    opened = SqliteStore(file)
    with pytest.raises(DamagedError):
        opened.get(f"{49:032x}")
    opened.close()
