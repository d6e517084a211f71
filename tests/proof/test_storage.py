"""What any store does: rows are only ever added, and a transaction is there whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from proof.dsse import Envelope
from proof.rows import LogRow, Row, StoredCheckpoint

from .stores import both

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proof.storage import Store

    from .stores import Database

pytestmark = both


def row(index: int, name: str, payload: bytes = b"payload", keyid: str = "key") -> Row:
    return Row(index, name, Envelope(payload, b"signature", keyid))


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    opened = database.backend.store()
    opened.add_key("key", b"pem")
    yield opened
    opened.close()


def add(store: Store, *given: Row) -> None:
    with store.transaction():
        store.add(given)


def rows(database: Database) -> int:
    ((count,),) = database.select("SELECT count(*) FROM proof")
    return int(count)


def test_what_was_added_is_there_for_another_connection(store: Store, database: Database) -> None:
    add(store, row(0, "a"), row(1, "b", b"other"))
    reader = database.backend.store()
    assert reader.get("b") == row(1, "b", b"other")
    assert reader.get("c") is None
    assert reader.rows(0, 10) == [row(0, "a"), row(1, "b", b"other")]
    assert reader.rows(1, 10) == [row(1, "b", b"other")]
    assert reader.rows(0, 1) == [row(0, "a")]
    assert reader.key("key") == b"pem"
    assert reader.key("other") is None
    reader.close()


@pytest.mark.parametrize("index", [0, 2, 7, -1])
def test_indices_have_no_gap_and_none_is_taken_twice(store: Store, database: Database, index: int) -> None:
    add(store, row(0, "a"))
    with pytest.raises(database.failures):
        add(store, row(index, "b"))
    add(store, row(1, "b"))


@pytest.mark.parametrize("size", [0, 4, 5])
def test_a_checkpoint_is_of_a_larger_tree_than_any_before(store: Store, database: Database, size: int) -> None:
    store.add_checkpoint(StoredCheckpoint(5, b"root", "note"))
    with pytest.raises(database.failures):
        store.add_checkpoint(StoredCheckpoint(size, b"root", "note"))
    store.add_checkpoint(StoredCheckpoint(6, b"root", "newer"))
    assert store.checkpoint().note == "newer"
    found = [store.checkpoint_over(index) for index in (0, 4, 5, 6)]
    assert [over and over.size for over in found] == [5, 5, 6, None]


def test_tiles_only_grow(store: Store, database: Database) -> None:
    store.put_tile(0, 0, b"a" * 32)
    store.put_tile(0, 0, b"a" * 32 + b"b" * 32)
    for hashes in (b"a" * 32, b"c" * 64, b"", b"x" + b"a" * 64):
        with pytest.raises(database.failures, match="only grow"):
            store.put_tile(0, 0, hashes)
    assert store.tile(0, 0) == b"a" * 32 + b"b" * 32
    assert store.tile(0, 1) == store.tile(1, 0) == b""


def test_a_key_is_remembered_as_it_was(store: Store) -> None:
    store.add_key("key", b"another")
    store.add_key("new", b"pem of the new one")
    assert store.key("key") == b"pem"
    assert store.key("new") == b"pem of the new one"


def test_a_transaction_is_stored_whole_or_not_at_all(store: Store, database: Database) -> None:
    add(store, row(0, "a"))
    with pytest.raises(database.failures):
        add(store, row(1, "b"), row(2, "c", keyid="a key that nobody knows"))
    assert rows(database) == 1
    add(store, row(1, "b"))
    assert rows(database) == 2


@pytest.mark.parametrize("order", [(1, 3), (2,), (0, 1), (-1, 0)])
def test_several_at_once_have_no_gap_either(store: Store, database: Database, order: tuple[int, ...]) -> None:
    add(store, row(0, "a"))
    with pytest.raises(database.failures):
        add(store, *(row(index, str(index)) for index in order))
    add(store, row(1, "b"), row(2, "c"))
    assert rows(database) == 3


def test_proofs_are_found_by_their_ids_and_keys_in_the_order_in_which_they_came(store: Store) -> None:
    add(store, row(0, "a"), row(1, "b"), row(2, "c"))
    assert store.find(["c", "nobody", "a", "a"]) == {"a": row(0, "a"), "c": row(2, "c")}
    assert store.find([]) == {}
    for keyid in ("z", "b", "y"):
        store.add_key(keyid, b"pem")
        store.add_key("key", b"pem")
    assert store.keyids() == ["key", "z", "b", "y"]


def test_a_log_is_begun_and_a_key_revoked_only_once(store: Store, database: Database) -> None:
    assert (store.log(), store.revoked_from("key")) == (None, None)
    store.begin_log(LogRow("log.example", b"public", 7))
    store.revoke("key", 5)
    with pytest.raises(database.failures):
        store.begin_log(LogRow("b", b"", 1))
    with pytest.raises(database.failures):
        store.revoke("key", 6)
    assert store.log() == LogRow("log.example", b"public", 7)
    assert (store.revoked(), store.revoked_from("key")) == ({"key": 5}, 5)


def test_a_snapshot_sees_nothing_of_what_is_committed_meanwhile(store: Store, database: Database) -> None:
    reader = database.backend.store()
    with reader.snapshot():
        assert reader.rows(0, 10) == []
        add(store, row(0, "a"))
        assert reader.rows(0, 10) == []
    assert reader.rows(0, 10) == [row(0, "a")]
    reader.close()


def test_what_raises_within_a_transaction_leaves_nothing_and_the_next_one_goes_on(
    store: Store, database: Database
) -> None:
    def broken() -> None:
        store.add([row(0, "a")])
        raise KeyError

    with pytest.raises(KeyError), store.transaction():
        broken()
    assert rows(database) == 0
    add(store, row(0, "b"))
    assert rows(database) == 1
