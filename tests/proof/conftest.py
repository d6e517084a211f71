"""What the proof service's tests share."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from proof.keys import FileSigner, LogSigner, ensure_key_file, ensure_log_key_file

from .notaries import open_notary
from .processes import Start, starting
from .stores import Database, Postgres, PostgresServer, Sqlite

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from proof.notary import Notary


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return an empty 0700 folder with a path that is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="pr") as path:
        yield Path(path)


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> FileSigner:
    """Return a signer with a key of this session's own."""
    path = tmp_path_factory.mktemp("key") / "key.pem"
    ensure_key_file(path)
    return FileSigner(path)


@pytest.fixture(scope="session")
def log_signer(tmp_path_factory: pytest.TempPathFactory) -> LogSigner:
    """Return the signer of a log at log.example, with a key of this session's own."""
    path = tmp_path_factory.mktemp("log") / "key.pem"
    ensure_log_key_file(path)
    return LogSigner(path, "log.example")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Run a PostgreSQL server."""
    with tempfile.TemporaryDirectory(prefix="pg") as path:
        server = PostgresServer(Path(path) / "data")
        yield server
        server.stop()


@pytest.fixture
def database(request: pytest.FixtureRequest, folder: Path) -> Iterator[Database]:
    """Return an empty database; SQLite in the folder, unless a test names another."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield Sqlite(folder)
        return
    made = Postgres(request.getfixturevalue("postgres_server"), folder)
    yield made
    made.drop()


@pytest.fixture
async def notary(folder: Path, database: Database, signer: FileSigner, log_signer: LogSigner) -> AsyncIterator[Notary]:
    """Return a notary over the database."""
    running = open_notary(folder, signer, log_signer, database.backend)
    running.start()
    yield running
    await running.stop()


@pytest.fixture
async def start(folder: Path, database: Database) -> AsyncIterator[Start]:
    """Start the service on the folder and database, again and again if need be; none outlives the test."""
    async with starting(folder, database.settings) as begin:
        yield begin
