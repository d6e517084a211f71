"""Asks the archive in threads of its own, each over a connection from a pool."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar

from psycopg_pool import ConnectionPool, PoolTimeout

from proof.archive import Archive
from proof.postgres.storage import PostgresStore
from proof.storage import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from proof.note import LogKey
    from proof.postgres.connection import Connection

P = ParamSpec("P")
T = TypeVar("T")

#: Seconds to wait for a connection: as long as it takes to open one.
_WAIT_S: Final = 3.0
#: The pool's own warnings quote libpq; the notary says when the database is not reached.
logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)


class PooledReading:
    """A `Reading` in as many threads as there are connections: the loop waits for no network.

    Each thread has an archive of its own, with what that remembers; the connection is lent for one question.
    """

    def __init__(
        self, parameters: Callable[[], dict[str, Any]], configure: Callable[[Connection], None], log: LogKey, size: int
    ) -> None:
        """Make one.

        Args:
            parameters: of a new connection.
            configure: is called with it.
            log: whose archive it is.
            size: connections, at most.
        """
        self._pool = ConnectionPool(
            kwargs=parameters,
            configure=configure,
            min_size=1,
            max_size=size,
            timeout=_WAIT_S,
            reconnect_timeout=_WAIT_S,  # its pauses grow while it tries; who asks next begins anew
            open=True,
        )
        self._log = log
        self._thread = threading.local()
        self._threads = ThreadPoolExecutor(size, "proof-reader", initializer=self._begin)

    def _begin(self) -> None:
        thread = self._thread
        thread.archive = Archive(PostgresStore(lambda: thread.connection), self._log)

    @contextmanager
    def _lent(self) -> Iterator[Archive]:
        try:
            with self._pool.connection() as self._thread.connection:
                yield self._thread.archive
        except PoolTimeout as error:
            raise UnavailableError("PostgreSQL is not reached") from error

    def _run(self, ask: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        try:
            with self._lent() as archive:
                return ask(archive, *args, **kwargs)
        except UnavailableError:
            # Nobody looks at connections that lie idle: after a restart of the server all of them are broken.
            self._pool.check()
            with self._lent() as archive:
                return ask(archive, *args, **kwargs)

    async def __call__(self, ask: Callable[Concatenate[Archive, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask in one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, ask, args, kwargs)

    def close(self) -> None:
        """Close the connections."""
        self._threads.shutdown()
        self._pool.close()
