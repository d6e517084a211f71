"""What is PostgreSQL's own: guards, rights, sessions that lose their lock, and connections that break."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

import psycopg
import pytest

from proof.postgres import connection as connections
from proof.postgres import migrations
from proof.postgres.backend import PostgresBackend
from proof.rows import LogRow, StoredCheckpoint
from proof.storage import DamagedError, StorageError, UnavailableError

from .stores import Postgres, on_postgres, password_file
from .test_storage import add, row, store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from proof.postgres.storage import PostgresStore

__all__ = ["store"]  # the fixture

pytestmark = on_postgres


@pytest.fixture
def filled(store: PostgresStore) -> PostgresStore:
    """Return a store with a row in every table."""
    add(store, row(0, "a"))
    store.put_tile(0, 0, b"h" * 32)
    store.add_checkpoint(StoredCheckpoint(1, b"root", "note"))
    store.begin_log(LogRow("a", b"key", 1))
    store.revoke("key", 5)
    return store


_TABLES = ("turn", "signing_key", "revocation", "log", "proof", "tile", "checkpoint")
_CHANGES = (
    "UPDATE proof SET payload = ''",
    "UPDATE proof SET log_index = 7",
    "INSERT INTO proof VALUES (1, 'a', '', '', 'key') ON CONFLICT (request_id) DO UPDATE SET payload = ''",
    "INSERT INTO proof VALUES (1, 'a', '', '', 'key')",
    "INSERT INTO proof VALUES (2, 'b', '', '', 'key')",
    "UPDATE tile SET hashes = 'x'",
    "UPDATE tile SET number = 1",
    "INSERT INTO tile VALUES (0, 0, 'x') ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes",
    "UPDATE checkpoint SET note = ''",
    "INSERT INTO checkpoint VALUES (1, '', '')",
    "UPDATE log SET origin = 'b'",
    "INSERT INTO log VALUES (1, 'b', '', 1) ON CONFLICT (one) DO UPDATE SET origin = 'b'",
    "INSERT INTO log VALUES (2, 'b', '', 1)",
    "UPDATE revocation SET from_index = 9",
    "UPDATE signing_key SET public_pem = ''",
    "UPDATE turn SET one = 1",
)


def contents(database: Postgres) -> list[list[tuple[object, ...]]]:
    return [database.select(f"SELECT * FROM {table}") for table in _TABLES]  # noqa: S608 - our own names


@pytest.mark.usefixtures("filled")
def test_rows_can_only_be_added_even_by_who_owns_the_tables(database: Postgres) -> None:
    before = contents(database)
    deletions = [f"TRUNCATE {table} CASCADE" for table in _TABLES]
    deletions += [f"DELETE FROM {table}" for table in _TABLES]  # noqa: S608 - our own names
    for statement in (*_CHANGES, *deletions):
        with pytest.raises(psycopg.IntegrityError):
            database.try_to(statement)
        assert contents(database) == before, statement


@pytest.fixture
def role(database: Postgres) -> Iterator[str]:
    """Return a role that may log in, and has been given what the service needs."""
    name = f"r{secrets.token_hex(8)}"
    database.server.execute(f"CREATE ROLE {name} LOGIN")
    migrations.migrate(database.backend.connect_as_owner, name)
    yield name
    database.try_to(f"DROP OWNED BY {name}")
    database.server.execute(f"DROP ROLE {name}")


def test_the_services_role_can_do_its_work_and_nothing_else(database: Postgres, role: str) -> None:
    backend = PostgresBackend(psycopg.conninfo.make_conninfo(database.conninfo, user=role))
    limited = backend.store()
    limited.add_key("key", b"pem")
    limited.begin_log(LogRow("a", b"key", 1))
    with limited.transaction():
        limited.add([row(0, "a")])
        for hashes in (b"h" * 32, b"h" * 64):
            limited.put_tile(0, 0, hashes)
        limited.add_checkpoint(StoredCheckpoint(1, b"root", "note"))
    limited.revoke("key", 5)
    slots = backend.slots()
    slots.claim(b"slot", b"body", b"claim", 60.0)
    slots.complete(b"slot", b"claim", b"sealed")
    slots.release(b"slot", b"claim")
    slots.sweep(1)
    slots.close()
    limited.close()
    with psycopg.connect(database.conninfo, user=role, autocommit=True) as connection:
        connection.execute("SET search_path = prysm_proof")
        for statement in (
            *(f"DELETE FROM {table}" for table in _TABLES),  # noqa: S608 - our own names
            *(f"TRUNCATE {table}" for table in _TABLES),
            *(f"DROP TABLE {table}" for table in _TABLES),
            *(f"ALTER TABLE {table} DISABLE TRIGGER ALL" for table in _TABLES),
            "UPDATE proof SET payload = ''",
            "UPDATE tile SET number = 1",
            "UPDATE checkpoint SET note = ''",
            "UPDATE alembic_version SET version_num = ''",
            "SET session_replication_role = replica",
            "CREATE TABLE other (one int)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_a_role_without_rights_is_told_what_to_do(database: Postgres) -> None:
    name = f"r{secrets.token_hex(8)}"
    database.server.execute(f"CREATE ROLE {name} LOGIN")
    with pytest.raises(StorageError, match=r"lacks a right; run python -m proof\.migrate"):
        PostgresBackend(psycopg.conninfo.make_conninfo(database.conninfo, user=name)).store()
    database.server.execute(f"DROP ROLE {name}")


@pytest.mark.parametrize(
    ("setting", "value"),
    [("synchronous_commit", "off"), ("synchronous_commit", "local"), ("synchronous_commit", "remote_write")],
)
def test_a_database_that_can_lose_what_it_acknowledges_is_refused(database: Postgres, setting: str, value: str) -> None:
    database.server.execute(f"ALTER DATABASE {database.name} SET {setting} = {value}")
    with pytest.raises(StorageError, match=f"{setting} = {value}, so it can lose what it acknowledges"):
        database.backend.store()


def interrupted(store: PostgresStore, database: Postgres) -> None:
    store.add([row(1, "late")])
    database.end_sessions()


def test_a_connection_that_breaks_is_unavailable_once_and_then_another(
    database: Postgres, store: PostgresStore
) -> None:
    add(store, row(0, "a"))
    database.end_sessions()
    with pytest.raises(UnavailableError):
        store.get("a")
    assert store.get("a") == row(0, "a")
    with pytest.raises(UnavailableError), store.transaction():
        interrupted(store, database)
    assert store.rows(1, 10) == []
    add(store, row(1, "b"))


def test_within_a_transaction_no_other_connection_takes_the_place_of_one_that_broke(
    database: Postgres, store: PostgresStore
) -> None:
    add(store, row(0, "a"))

    def careless() -> None:
        interrupted(store, database)
        for name in ("b", "c"):
            with pytest.raises(UnavailableError):
                store.add([row(1, name)])

    with pytest.raises(UnavailableError), store.transaction():
        careless()
    assert store.rows(1, 10) == []


def test_a_writer_that_sleeps_with_the_lock_loses_it_and_commits_nothing(
    database: Postgres, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections.SERVING, "idle_in_transaction_session_timeout", "200ms")
    asleep, other = database.backend.store(), store

    def sleep() -> None:
        asleep.add([row(0, "late")])
        began = time.monotonic()
        add(other, row(0, "a"))  # waits until the sleeper has lost it
        assert 0.1 < time.monotonic() - began < 2
        add(other, row(1, "b"))

    with pytest.raises(UnavailableError), asleep.transaction():
        sleep()
    assert [one.request_id for one in other.rows(0, 10)] == ["a", "b"]
    assert asleep.get("late") is None
    asleep.close()


def test_who_waits_for_the_lock_too_long_is_unavailable(
    database: Postgres, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections.SERVING, "lock_timeout", "100ms")
    impatient = database.backend.store()
    with store.transaction():
        store.add([row(0, "a")])
        with pytest.raises(UnavailableError):
            add(impatient, row(0, "b"))
    add(impatient, row(1, "b"))
    impatient.close()


def test_a_failed_transaction_that_goes_on_is_not_taken_for_a_commit(store: PostgresStore) -> None:
    def careless() -> None:
        with pytest.raises(psycopg.IntegrityError):
            store.add([row(7, "gap")])

    # PostgreSQL answers COMMIT with ROLLBACK here, which is no error.
    with pytest.raises(UnavailableError), store.transaction():
        careless()
    assert store.rows(0, 10) == []


def test_a_damaged_page_is_told_apart_from_a_proof_that_is_not_there(database: Postgres, store: PostgresStore) -> None:
    add(store, *(row(number, f"{number:032x}", secrets.token_bytes(2_000)) for number in range(50)))
    damaged = database.damaged("proof").backend.store()
    with pytest.raises(DamagedError):
        damaged.rows(0, 50)
    damaged.close()


def test_no_server_and_no_database_are_unavailable_in_one_line_without_a_password(
    database: Postgres, folder: Path
) -> None:
    for where in (f"host={folder}", database.server.conninfo("nobody"), "host=127.0.0.1 port=1"):
        with pytest.raises(UnavailableError, match=r"^PostgreSQL is not reached: [^\n]+$") as caught:
            PostgresBackend(where, password_file(folder, "canary")).store()
        assert "canary" not in str(caught.value)


def test_the_password_of_the_file_is_the_one_that_the_server_is_told(database: Postgres, folder: Path) -> None:
    name = f"r{secrets.token_hex(8)}"
    database.server.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'right'")
    migrations.migrate(database.backend.connect_as_owner, name)
    database.server.require_password(name)
    backend = PostgresBackend(psycopg.conninfo.make_conninfo(database.conninfo, user=name), folder / "password")
    password_file(folder, "wrong")
    with pytest.raises(UnavailableError, match="password authentication failed"):
        backend.store()
    password_file(folder, "right\n")  # replaced while the service runs
    backend.store().close()
    database.try_to(f"DROP OWNED BY {name}")
    database.server.execute(f"DROP ROLE {name}")
