"""Connections to PostgreSQL that notice a peer that is gone, commit durably, and hold no lock when they sleep."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from proof.postgres.conninfo import password
from proof.postgres.version import VERSION
from proof.storage import DamagedError, StorageError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

#: What libpq is told unless the settings say otherwise. Seconds; `tcp_user_timeout` in milliseconds. A standby is not
#: taken for the primary, so that of several hosts the one is found that can be written.
_LIBPQ: Final = {
    "application_name": "openprysm-proof",
    "connect_timeout": "3",
    "keepalives_idle": "5",
    "keepalives_interval": "1",
    "keepalives_count": "3",
    "tcp_user_timeout": "5000",
    "target_session_attrs": "read-write",
}
#: A batch takes milliseconds. A writer that sleeps within one loses the lock after two seconds: the server ends its
#: session, and what it commits when it wakes up is not heard. Waiting for the lock outlasts that.
SERVING: Final = {
    "idle_in_transaction_session_timeout": "2s",
    "lock_timeout": "4s",
    "statement_timeout": "6s",
    "transaction_timeout": "8s",
}
#: An audit reads for as long as it takes.
AUDITING: Final = {"default_transaction_read_only": "on"}
#: A migration does not hold up those who serve by waiting for a table of theirs.
MIGRATING: Final = {"lock_timeout": "10s"}

#: In PostgreSQL before 17 there is none; the two timeouts beside it are enough, but for who trickles statements.
_TRANSACTION_TIMEOUT_SINCE: Final = 170_000
_DURABLE: Final = {"synchronous_commit": ("on", "remote_apply"), "fsync": ("on",), "full_page_writes": ("on",)}
#: Classes of SQLSTATE after which the same may be asked again: connection, rollback, resources, operator's
#: intervention, system; and a server that has become a standby.
_AGAIN: Final = ("08", "40", "53", "57", "58", "25006", "25P03", "25P04", "55P03")


@contextmanager
def translated() -> Iterator[None]:
    """Raise the storage errors for psycopg's own, where they are one."""
    try:
        yield
    except (errors.DataCorrupted, errors.IndexCorrupted) as error:
        raise DamagedError from error
    except (errors.UndefinedTable, errors.UndefinedColumn, errors.UndefinedFunction) as error:
        raise StorageError("the database lacks tables of this version; run python -m proof.migrate") from error
    except errors.InsufficientPrivilege as error:
        raise StorageError("the role lacks a right; run python -m proof.migrate with its name") from error
    except psycopg.Error as error:
        # Without a SQLSTATE it is libpq's own: no connection, or one that broke.
        lost = error.sqlstate is None and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        if lost or (error.sqlstate or "").startswith(_AGAIN):
            raise UnavailableError(_reason(error)) from error
        raise


def _reason(error: psycopg.Error) -> str:
    """Return one line for the operator: libpq's texts name hosts and roles, and never a password."""
    lines = str(error).strip().splitlines()
    return f"PostgreSQL is not reached: {lines[-1].strip()}" if lines else "PostgreSQL is not reached"


def parameters(conninfo: str, password_file: Path | None) -> dict[str, Any]:
    """Return what a connection in autocommit mode is opened with.

    Args:
        conninfo: libpq's.
        password_file: read anew each time: it may have been replaced.

    Raises:
        StorageError: the password can't be read.
    """
    secret = {} if password_file is None else {"password": password(password_file)}
    return {**_LIBPQ, **conninfo_to_dict(conninfo), **secret, "autocommit": True}


def configure(session: dict[str, str], connection: Connection) -> None:
    """Set a new connection up.

    Args:
        session: parameters of the session.
        connection: in autocommit mode.

    Raises:
        StorageError: the database would acknowledge what it can lose.
    """
    if connection.info.server_version < _TRANSACTION_TIMEOUT_SINCE:
        session = {name: value for name, value in session.items() if name != "transaction_timeout"}
    for name, value in ({"search_path": "prysm_proof, prysm_slots"} | session).items():
        connection.execute("SELECT set_config(%s, %s, false)", (name, value))
    _require_durable(connection)


def connect(conninfo: str, password_file: Path | None, session: dict[str, str]) -> Connection:
    """Open a connection; see `parameters` and `configure`.

    Raises:
        StorageError: the database can't be used.
        UnavailableError: it is not reached.
    """
    with translated():
        connection = psycopg.connect(**parameters(conninfo, password_file))
        try:
            configure(session, connection)
        except BaseException:
            connection.close()
            raise
    return connection


def _require_durable(connection: Connection) -> None:
    for name, allowed in _DURABLE.items():
        (value,) = connection.execute("SELECT current_setting(%s)", (name,)).fetchone() or ("",)
        if value not in allowed:
            raise StorageError(f"PostgreSQL has {name} = {value}, so it can lose what it acknowledges; it must be on")


def require_version(connection: Connection) -> None:
    """Make sure that the tables are those that this program knows.

    Raises:
        StorageError: they are of another version.
        UnavailableError: the database is not reached.
    """
    with translated():
        row = connection.execute("SELECT version_num FROM prysm_proof.alembic_version").fetchone()
    found = str(row[0]) if row else "none"
    if found != VERSION:
        raise StorageError(
            f"the database is of version {found}, and this program of version {VERSION}; run python -m proof.migrate"
        )
