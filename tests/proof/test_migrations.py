"""`python -m proof.migrate`: from nothing, again, several at once, and never over a newer version."""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from proof.postgres import migrations
from proof.postgres.version import VERSION
from proof.storage import StorageError

from .processes import told
from .stores import Postgres, on_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .processes import Start
    from .stores import PostgresServer


@pytest.fixture
def empty(postgres_server: PostgresServer, folder: Path) -> Iterator[Postgres]:
    """Return a database without tables."""
    made = Postgres(postgres_server, folder, made_of="")
    yield made
    made.drop()


def migrate(database: Postgres, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "proof.migrate", *words],
        env={**os.environ, **database.settings, **settings},
        capture_output=True,
        text=True,
        check=False,
    )


def tables(database: Postgres) -> set[str]:
    return {
        name
        for (name,) in database.select("SELECT relname FROM pg_class WHERE relnamespace::regnamespace::text ~ '^prysm'")
    }


def test_an_empty_database_gets_the_tables_and_a_second_time_changes_nothing(empty: Postgres) -> None:
    with pytest.raises(StorageError, match=r"lacks tables of this version; run python -m proof\.migrate"):
        empty.backend.store()
    for _ in range(2):
        done = migrate(empty)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"the database is of version {VERSION}\n", "")
    assert {"proof", "tile", "checkpoint", "slot", "alembic_version"} <= tables(empty)
    empty.backend.store().close()


def test_several_at_once_wait_for_one_another(empty: Postgres) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: migrations.migrate(empty.backend.connect_as_owner), range(4)))
    assert empty.select("SELECT * FROM alembic_version") == [(VERSION,)]


def test_one_that_dies_half_way_leaves_nothing(empty: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade = migrations._upgrade

    def broken(connection: Any) -> None:
        upgrade(connection)
        raise KeyboardInterrupt

    monkeypatch.setattr(migrations, "_upgrade", broken)
    with pytest.raises(KeyboardInterrupt):
        migrations.migrate(empty.backend.connect_as_owner)
    assert tables(empty) == set()
    monkeypatch.undo()
    migrations.migrate(empty.backend.connect_as_owner)
    empty.backend.store().close()


@on_postgres
@pytest.mark.parametrize("version", ["0000", "9999"])
async def test_a_database_of_another_version_is_served_by_nobody(
    database: Postgres, start: Start, folder: Path, version: str
) -> None:
    database.change("UPDATE alembic_version SET version_num = ?", version)
    line = f"the database is of version {version}, and this program of version {VERSION}; run python -m proof.migrate"
    assert await told(folder, await start()) == (1, f"proof: {line}")
    done = await asyncio.to_thread(migrate, database)
    assert (done.returncode, done.stderr) == (
        1,
        "proof.migrate: the database was written by a newer version of openprysm\n",
    )


@on_postgres
def test_the_services_role_can_not_migrate_and_is_told_so(database: Postgres) -> None:
    name = f"r{secrets.token_hex(8)}"
    database.server.execute(f"CREATE ROLE {name} LOGIN")
    done = migrate(database, name)
    assert (done.returncode, done.stderr) == (0, "")
    limited = psycopg.conninfo.make_conninfo(database.conninfo, user=name)
    done = migrate(database, OPENPRYSM_PROOF_POSTGRES=limited)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done
    assert "lacks a right" in done.stderr
    database.try_to(f"DROP OWNED BY {name}")
    database.server.execute(f"DROP ROLE {name}")


def test_it_says_which_setting_is_missing_or_wrong(empty: Postgres) -> None:
    done = migrate(empty, OPENPRYSM_PROOF_POSTGRES="")
    assert (done.returncode, done.stderr.split(":")[0]) == (78, "OPENPRYSM_PROOF_POSTGRES")
    done = migrate(empty, OPENPRYSM_PROOF_POSTGRES="host=db password=canary")
    assert (done.returncode, "must hold no password" in done.stderr, "canary" in done.stderr) == (78, True, False)
