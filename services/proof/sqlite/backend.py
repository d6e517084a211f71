"""SQLite as the database of the proof service: a file of proofs, and one of slots beside it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from proof.archive import Archive
from proof.backend import Inline
from proof.sqlite.slots import SqliteSlotStore
from proof.sqlite.storage import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

    from proof.note import LogKey


class SqliteBackend:
    """Opens the file `path`, made when missing, as a `Backend`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def store(self) -> SqliteStore:
        """Open the file."""
        return SqliteStore(self._path)

    def reading(self, log: LogKey) -> Inline:
        """Open the file for the loop's thread."""
        store = self.store()
        return Inline(Archive(store, log), store)

    def slots(self) -> SqliteSlotStore:
        """Open the file of slots."""
        return SqliteSlotStore(self._path.with_name(f"{self._path.stem}-idempotency.db"), time.time)
