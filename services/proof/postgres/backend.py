"""PostgreSQL as the database of the proof service."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from proof.postgres import connection as connections
from proof.postgres.reading import PooledReading
from proof.postgres.slots import PostgresSlotStore
from proof.postgres.storage import PostgresStore

if TYPE_CHECKING:
    from pathlib import Path

    from proof.note import LogKey
    from proof.postgres.connection import Connection

_READERS: Final = 4


class OwnConnection:
    """The connection of one thread, opened when it is needed, and anew when it has broken."""

    def __init__(self, connect: partial[Connection]) -> None:
        self._connect = connect
        self._connection: Connection | None = None

    def __call__(self) -> Connection:
        """Return it.

        Raises:
            StorageError: the database can't be used.
            UnavailableError: it is not reached.
        """
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        return self._connection

    def close(self) -> None:
        """Close it."""
        if self._connection is not None:
            self._connection.close()


class PostgresBackend:
    """Opens connections to one database as a `Backend`."""

    def __init__(self, conninfo: str, password_file: Path | None = None) -> None:
        """Make one that has not connected yet; see `connection.connect`."""
        self._parameters = partial(connections.parameters, conninfo, password_file)
        self._connect = partial(connections.connect, conninfo, password_file)

    def _own(self, session: dict[str, str]) -> OwnConnection:
        own = OwnConnection(partial(self._connect, session))
        try:
            connections.require_version(own())
        except BaseException:
            own.close()
            raise
        return own

    def store(self) -> PostgresStore:
        """Open a connection for the store."""
        own = self._own(connections.SERVING)
        return PostgresStore(own, own.close)

    def reading(self, log: LogKey) -> PooledReading:
        """Open a pool of connections, and a thread for each."""
        configure = partial(connections.configure, connections.SERVING)
        return PooledReading(self._parameters, configure, log, _READERS)

    def slots(self) -> PostgresSlotStore:
        """Open a connection for the slots."""
        own = self._own(connections.SERVING)
        return PostgresSlotStore(own, own.close)

    def audited(self) -> PostgresStore:
        """Open a connection that only reads, for as long as it takes."""
        own = self._own(connections.AUDITING)
        return PostgresStore(own, own.close)

    def connect_as_owner(self) -> Connection:
        """Open a connection for a migration: not in autocommit mode, since all of it is one transaction."""
        connection = self._connect(connections.MIGRATING)
        connection.autocommit = False
        return connection
