"""Which database the settings name."""

from __future__ import annotations

import time
from pathlib import Path  # noqa: TC003 - pydantic reads the annotation
from typing import TYPE_CHECKING, Annotated, Final

import structlog
from pydantic import AfterValidator

from chassis.config import Settings
from proof.sqlite.backend import SqliteBackend
from proof.sqlite.storage import SqliteStore
from proof.storage import StorageError, UnavailableError

if TYPE_CHECKING:
    from proof.backend import Backend
    from proof.postgres.backend import PostgresBackend
    from proof.storage import Store

#: Seconds for which a starting service waits for its database to start.
_START_S: Final = 20.0
_PAUSE_S: Final = 0.5
_log = structlog.get_logger()


def _check_conninfo(value: str) -> str:
    from proof.postgres import conninfo  # noqa: PLC0415 - who keeps proofs in SQLite does not pay for psycopg

    return conninfo.checked(value)


class DatabaseSettings(Settings):
    """What names the database."""

    #: SQLite file; default `proof.db` in the state folder. The slots of idempotency keys are in a file beside it.
    proof_db: Path | None = None
    #: PostgreSQL instead, as libpq's URL or conninfo without a password.
    proof_postgres: Annotated[str, AfterValidator(_check_conninfo)] | None = None
    #: File with the password of it.
    proof_postgres_password_file: Path | None = None


def _file(settings: DatabaseSettings) -> Path:
    return settings.proof_db or settings.state.absolute() / "proof.db"


def _postgres(settings: DatabaseSettings, conninfo: str) -> PostgresBackend:
    from proof.postgres.backend import PostgresBackend  # noqa: PLC0415 - as above

    return PostgresBackend(conninfo, settings.proof_postgres_password_file)


def backend(settings: DatabaseSettings) -> Backend:
    """Return the database that the service is to use."""
    if settings.proof_postgres is None:
        return SqliteBackend(_file(settings))
    return _postgres(settings, settings.proof_postgres)


def first_store(database: Backend) -> Store:
    """Open the store of a database that may still be starting, as the service may have been started beside it.

    Raises:
        StorageError: the database can't be used, or has not come within a while.
    """
    began = time.monotonic()
    while True:
        try:
            return database.store()
        except UnavailableError as error:
            if time.monotonic() - began > _START_S:
                raise StorageError(str(error)) from error
            _log.warning("waiting_for_database")
            time.sleep(_PAUSE_S)


def existing(settings: DatabaseSettings, *, writable: bool) -> Store:
    """Open a store that must be there, as the command line does.

    Raises:
        StorageError: it is not there, or can't be used.
    """
    try:
        if settings.proof_postgres is not None:
            database = _postgres(settings, settings.proof_postgres)
            return database.store() if writable else database.audited()
    except UnavailableError as error:
        raise StorageError(str(error)) from error
    if not _file(settings).exists():
        raise StorageError(f"{_file(settings)} does not exist")
    return SqliteStore(_file(settings), writable=writable)
