"""Slots of idempotency keys: what each has led to, sealed by the executor, for a day.

They are stored apart from the proofs: proofs are for ever and slots are deleted by design; a backup of the proofs must
not keep a response longer than a day; and no proof waits for a slot.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, TypeVar

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

SLOT_BYTES: Final = 32
DIGEST_BYTES: Final = 32
CLAIM_BYTES: Final = 16
MAX_LEASE_S: Final = 3600.0
MAX_SEALED_BYTES: Final = 8 << 20
#: Seconds for which a response is kept, counted from its completion.
KEEP_S: Final = 24 * 3600.0

_SWEEP_S: Final = 60.0
#: Rows deleted in one transaction: claims wait no longer than for that.
_SWEPT_AT_ONCE: Final = 64

T = TypeVar("T")
_log = structlog.get_logger()


class DeadClaimError(Exception):
    """The claim is not alive any more: it ran out, was given up, or another one took its place."""


@dataclass(frozen=True)
class Claimed:
    """The slot is the caller's."""

    claim: bytes


@dataclass(frozen=True)
class Kept:
    """The slot is filled."""

    sealed: bytes


@dataclass(frozen=True)
class InProgress:
    """Another claim of the slot is alive, for so many seconds at most."""

    seconds: float


@dataclass(frozen=True)
class Conflict:
    """The slot belongs to another body."""


Outcome: TypeAlias = Claimed | Kept | InProgress | Conflict


class SlotStore(Protocol):
    """The slots. Owned by one thread at a time; whatever a method did is durable when it returns.

    Each may be asked again with the same arguments by who has not heard its answer.

    Raises:
        UnavailableError: the database is not reached; what became of the call is not known.
    """

    def claim(self, slot: bytes, body_digest: bytes, claim: bytes, lease_s: float) -> Outcome:
        """Make `claim` the slot's, or tell what is in the slot; the same claim again is answered as before."""

    def complete(self, slot: bytes, claim: bytes, sealed: bytes) -> None:
        """Fill the slot. The same call again does nothing: its caller may not have heard of the first.

        Raises:
            DeadClaimError: the slot is not this claim's any more, or is filled with something else.
        """

    def release(self, slot: bytes, claim: bytes) -> None:
        """Empty the slot, if it is this claim's and not filled."""

    def sweep(self, limit: int) -> int:
        """Delete at most `limit` rows that are past their time, and return how many there were."""

    def forget(self) -> None:
        """Do what makes deleted rows unreadable, as far as the database lets us."""

    def close(self) -> None:
        """Let go of it."""


class Slots:
    """Owns a store, and the thread in which it waits for the disk, until `stop`."""

    def __init__(self, store: SlotStore) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, "slots")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to delete what is past its time: first what a stopped process has left, then every minute."""
        self._task = asyncio.create_task(self._sweep())

    async def stop(self) -> None:
        """Stop; call it when no other method is running any more."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._thread.shutdown()
        self._store.close()

    def _do(self, work: Callable[..., T], *arguments: Any) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def claim(self, slot: bytes, body_digest: bytes, claim: bytes, lease_s: float) -> Outcome:
        """Claim the slot, or tell what is in it. A caller that goes away meanwhile leaves no claim behind."""
        claiming = self._do(self._store.claim, slot, body_digest, claim, lease_s)
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            # Behind the claim in the thread's queue. Should the process die in between, the lease ends the claim.
            self._do(self._store.release, slot, claim)
            raise

    async def complete(self, slot: bytes, claim: bytes, sealed: bytes) -> None:
        """Fill the slot.

        Raises:
            DeadClaimError: see `SlotStore.complete`.
        """
        await self._do(self._store.complete, slot, claim, sealed)

    async def release(self, slot: bytes, claim: bytes) -> None:
        """Give the slot up."""
        await self._do(self._store.release, slot, claim)

    async def _sweep(self) -> None:
        while True:
            try:
                while await self._do(self._store.sweep, _SWEPT_AT_ONCE) == _SWEPT_AT_ONCE:
                    pass
                await self._do(self._store.forget)
            except Exception:  # noqa: BLE001 - what it left is as good as absent, and the next one finds it
                _log.exception("sweep_failed")
            await asyncio.sleep(_SWEEP_S)
