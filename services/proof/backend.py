"""A database, and how its archive is asked: in the loop's thread, or in others where reading waits for a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from proof.archive import Archive
    from proof.idempotency import SlotStore
    from proof.note import LogKey
    from proof.storage import Store

P = ParamSpec("P")
T = TypeVar("T")


class Reading(Protocol):
    """Asks an archive, as in `await reading(Archive.get, request_id)`."""

    async def __call__(self, ask: Callable[Concatenate[Archive, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `ask` returns, and raise what it raises.

        Raises:
            UnavailableError: the database is not reached.
        """

    def close(self) -> None:
        """Let go of what it reads; call it when nothing is asked any more."""


class Inline:
    """Asks in the caller's thread: a look-up in a file is sooner done than handed over. Owns the archive's store."""

    def __init__(self, archive: Archive, store: Store) -> None:
        self._archive = archive
        self._store = store

    async def __call__(self, ask: Callable[Concatenate[Archive, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask; it never yields."""
        return ask(self._archive, *args, **kwargs)

    def close(self) -> None:
        """Close the store."""
        self._store.close()


class Backend(Protocol):
    """A database that can be written. Each call opens something of its caller's own.

    Raises:
        StorageError: the database can't be used.
        UnavailableError: it is not reached.
    """

    def store(self) -> Store:
        """Open the store."""

    def reading(self, log: LogKey) -> Reading:
        """Open the archive of a log."""

    def slots(self) -> SlotStore:
        """Open the slots of idempotency keys."""
