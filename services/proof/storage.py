"""Where proofs and their log are kept: what a store does, and how it fails.

`proof.sqlite` and `proof.postgres` are the two that there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from proof.rows import StoredCheckpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

    from proof.rows import LogRow, Row

#: The newest checkpoint of a log that has none.
EMPTY: Final = StoredCheckpoint(0, b"", "")


class StorageError(Exception):
    """The store can't be used; the text is one line for the operator."""


class DamagedError(Exception):
    """A part of the store is not what was written."""


class DiskError(Exception):
    """The disk refused a write. What is on it now only a new process can know."""


class UnavailableError(Exception):
    """The database is not reached, or has not said what became of a commit: who asks again, by id, finds out."""


class Store(Protocol):
    """Proofs, keys and the log, to which rows are only added. Owned by one thread at a time.

    Everything raises DamagedError where the store can't be read, and UnavailableError where it is not reached; after
    that, the next call tries anew.
    """

    def key(self, keyid: str) -> bytes | None:
        """Return a public key as PEM."""

    def keyids(self) -> list[str]:
        """Return the ids of all keys, in the order in which they came."""

    def first_signed(self) -> dict[str, int]:
        """Return for each key that has signed the index of its first proof. It reads all proofs, so it is slow."""

    def revoked(self) -> dict[str, int]:
        """Return for each revoked key the index from which on its proofs do not count."""

    def revoked_from(self, keyid: str) -> int | None:
        """Return the index from which on proofs of a key do not count; None: it is not revoked."""

    def log(self) -> LogRow | None:
        """Return which log this is; None before the first start."""

    def get(self, request_id: str) -> Row | None:
        """Return the proof of an orchestration."""

    def find(self, request_ids: Iterable[str]) -> dict[str, Row]:
        """Return the proofs of orchestrations that have one, by their ids."""

    def rows(self, start: int, count: int) -> list[Row]:
        """Return the proofs from an index on, at most `count`."""

    def tile(self, level: int, number: int) -> bytes:
        """Return the hashes of a tile; empty when there is none."""

    def checkpoint(self) -> StoredCheckpoint:
        """Return the newest checkpoint; one of size 0 without a note before the first."""

    def checkpoint_over(self, index: int) -> StoredCheckpoint | None:
        """Return the first checkpoint that covers an index."""

    def unlogged(self, start: int, count: int) -> list[Row]:
        """Return proofs from before the log, at most `count`, from the index on that they will have in it."""

    def transaction(self) -> AbstractContextManager[None]:
        """Be the one writer of the store; at the end, everything is durable.

        A process that dies within has changed nothing, or all of it when it died while committing: who asks again
        finds out.

        Raises:
            DiskError: the disk is full or failed; the caller must end the process.
            UnavailableError: nothing was written, or all of it.
        """

    def snapshot(self) -> AbstractContextManager[None]:
        """Read one state of the store, whatever is committed meanwhile."""

    def begin_log(self, log: LogRow) -> None:
        """Say which log this is; only once."""

    def add_key(self, keyid: str, public_pem: bytes) -> None:
        """Remember a public key for ever: proofs that it signed stay verifiable after it is replaced."""

    def revoke(self, keyid: str, from_index: int) -> None:
        """Say that what a key signed counts only below an index."""

    def add(self, rows: Sequence[Row]) -> None:
        """Add proofs, at least one; their indices must be the next ones, in order."""

    def put_tile(self, level: int, number: int, hashes: bytes) -> None:
        """Add a tile, or let it grow."""

    def add_checkpoint(self, checkpoint: StoredCheckpoint) -> None:
        """Add a checkpoint of a larger tree than any before."""

    def end_unlogged(self) -> None:
        """Forget that there were proofs from before the log."""

    def close(self) -> None:
        """Let go of it."""
