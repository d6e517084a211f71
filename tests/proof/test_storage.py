"""The SQLite store: rows are only ever added, and a commit that fails leaves nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw
import pytest

from proof.dsse import Envelope
from proof.storage import DamagedError, Entry, StorageError, Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def entry(name: str, payload: bytes = b"payload") -> Entry:
    return Entry(name, Envelope(payload, b"signature", "key"))


@pytest.fixture
def file(folder: Path) -> Path:
    return folder / "proof.db"


@pytest.fixture
def store(file: Path) -> Iterator[Store]:
    opened = Store(file)
    opened.add_key("key", b"pem")
    yield opened
    opened.close()


def rows(file: Path) -> int:
    connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
    (count,) = connection.execute("SELECT count(*) FROM proof").fetchone() or (0,)
    connection.close()
    return int(count)


def test_what_was_added_is_there_for_another_connection(store: Store, file: Path) -> None:
    assert store.add([entry("a"), entry("b", b"other")]) == [entry("a").envelope, entry("b", b"other").envelope]
    reader = Store(file)
    assert reader.get("b") == entry("b", b"other").envelope
    assert reader.get("c") is None
    assert reader.key("key") == b"pem"
    assert reader.key("other") is None
    reader.close()


def test_an_id_that_is_there_keeps_its_proof(store: Store) -> None:
    store.add([entry("a", b"first")])
    assert [kept.payload for kept in store.add([entry("b"), entry("a", b"second")])] == [b"payload", b"first"]
    assert [kept.payload for kept in store.add([entry("c", b"1"), entry("c", b"2")])] == [b"1", b"1"]


def test_a_key_is_remembered_as_it_was(store: Store) -> None:
    store.add_key("key", b"another")
    store.add_key("new", b"pem of the new one")
    assert store.key("key") == b"pem"
    assert store.key("new") == b"pem of the new one"


def test_a_batch_is_stored_whole_or_not_at_all(store: Store, file: Path) -> None:
    store.add([entry("a")])
    with pytest.raises(apsw.ConstraintError):
        store.add([entry("b"), Entry("c", Envelope(b"payload", b"signature", "a key that nobody knows"))])
    assert rows(file) == 1
    store.add([entry("b")])
    assert rows(file) == 2


def test_a_full_file_is_an_error_and_the_store_goes_on_when_there_is_room_again(store: Store, file: Path) -> None:
    store.add([entry("a")])
    pages = store._connection.pragma("page_count")
    store._connection.pragma("max_page_count", pages)
    with pytest.raises(apsw.FullError):
        store.add([entry("b", b"x" * 100_000)])
    assert rows(file) == 1
    store._connection.pragma("max_page_count", 1 << 30)
    store.add([entry("b", b"x" * 100_000)])
    assert rows(file) == 2


def test_a_file_that_another_process_holds_is_waited_for_and_then_an_error(store: Store, file: Path) -> None:
    other = apsw.Connection(str(file))
    other.execute("BEGIN IMMEDIATE")
    store._connection.set_busy_timeout(10)
    with pytest.raises(apsw.BusyError):
        store.add([entry("a")])
    other.execute("ROLLBACK")
    other.close()
    store.add([entry("a")])
    assert rows(file) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE proof SET payload = x'00'",
        "UPDATE OR REPLACE proof SET request_id = 'b'",
        "DELETE FROM proof",
        "REPLACE INTO proof VALUES ('a', x'00', x'00', 'key')",
        "INSERT OR IGNORE INTO proof VALUES ('a', x'00', x'00', 'key')",
        "INSERT INTO proof VALUES ('a', x'', x'', 'key') ON CONFLICT DO UPDATE SET payload = x'00'",
        "UPDATE signing_key SET public_pem = x'00'",
        "DELETE FROM signing_key",
        "REPLACE INTO signing_key VALUES ('key', x'00')",
    ],
)
def test_rows_can_only_be_added_by_whoever_opens_the_file(store: Store, file: Path, statement: str) -> None:
    store.add([entry("a")])
    other = apsw.Connection(str(file))
    with pytest.raises(apsw.ConstraintError, match="are never"):
        other.execute(statement)
    other.close()
    assert store.get("a") == entry("a").envelope
    assert store.key("key") == b"pem"


def test_a_store_of_an_older_version_gets_the_triggers_too(file: Path) -> None:
    Store(file).close()
    old = apsw.Connection(str(file))
    old.execute("DROP TRIGGER proof_is_never_deleted")
    old.close()
    opened = Store(file)
    opened.add_key("key", b"pem")
    opened.add([entry("a")])
    with pytest.raises(apsw.ConstraintError):
        opened._connection.execute("DELETE FROM proof")
    opened.close()


def test_commits_are_on_disk_before_they_are_acknowledged(store: Store) -> None:
    pragma = store._connection.pragma
    assert pragma("journal_mode") == "wal"
    assert pragma("synchronous") == 2  # FULL: an fsync of the log at every commit
    assert pragma("foreign_keys") == 1


@pytest.mark.parametrize("version", ["3.40.1", "3.51.2", "3.7.0", "2.8.17"])
def test_a_sqlite_that_can_lose_data_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: version)
    with pytest.raises(StorageError, match=version):
        Store(file)
    assert not file.exists()


def test_what_is_no_store_is_refused_in_one_line(folder: Path) -> None:
    (folder / "text").write_text("no database at all, but long enough to be looked at " * 10)
    for path in (folder / "text", folder, folder / "none" / "proof.db"):
        with pytest.raises(StorageError, match=f"^{path} can't be opened as a proof store$"):
            Store(path)


def test_a_damaged_page_is_told_apart_from_a_proof_that_is_not_there(file: Path) -> None:
    opened = Store(file)
    opened.add_key("key", b"pem")
    opened.add([entry(f"{number:032x}", b"x" * 2_000) for number in range(50)])
    opened.close()
    raw = bytearray(file.read_bytes())
    page = 4096
    for start in range(3 * page, len(raw), page):  # the header of every page but the schema's
        raw[start : start + 12] = b"\xff" * 12
    file.write_bytes(raw)
    opened = Store(file)
    with pytest.raises(DamagedError):
        opened.get(f"{7:032x}")
    opened.close()
