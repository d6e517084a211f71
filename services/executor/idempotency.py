"""A request that is run once, however often it is asked: claim, run, complete.

The response is kept for a day by someone who can't read it: its slot's name, and what opens it, are derived from the
caller's API key and idempotency key. HKDF-SHA256 (RFC 5869) gives slot, MAC key and AES-256-GCM key.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeVar

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

_CONTEXT: Final = b"openprysm idempotency v1\0"
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12

#: Seconds that claiming may take: it is quick or it is broken.
_CLAIM_S: Final = 5.0
#: Seconds, and share of the request's time, that are kept back for completing.
_KEEP_S: Final = 0.5
_KEEP_SHARE: Final = 0.05
#: Seconds that completing and releasing may take in the background, and the margin of a lease over the deadline.
_BEHIND_S: Final = 10.0
#: Seconds that a failure is held back until its claim is released, but never beyond the request's deadline.
_RELEASE_S: Final = 1.0
_MAX_LEASE_S: Final = 3600.0
#: Seconds after which asking again makes sense: a lease ends late, most requests do early.
_ASK_AGAIN_S: Final = 5.0

T = TypeVar("T")
_log = structlog.get_logger()


class ConflictError(Exception):
    """The key belongs to a request with another body."""


class InProgressError(Exception):
    """The first request with this key is still running.

    Attributes:
        retry_after_s: seconds after which to ask again.
    """

    def __init__(self, retry_after_s: float) -> None:
        super().__init__()
        self.retry_after_s = min(retry_after_s, _ASK_AGAIN_S)


class DamagedError(Exception):
    """What is kept does not open. Our fault, and no reason to run again: it would spend twice."""


@dataclass(frozen=True)
class Claimed:
    """The slot is ours."""

    claim: bytes


@dataclass(frozen=True)
class Kept:
    """The first request's response."""

    sealed: bytes


class Store(Protocol):
    """Keeps sealed responses. At most one claim of a slot is alive at any time."""

    async def claim(self, slot: bytes, body_digest: bytes, lease_s: float, timeout_s: float) -> Claimed | Kept:
        """Claim a slot for so many seconds, or return what is in it.

        Raises:
            ConflictError: the slot belongs to another body.
            InProgressError: another claim is alive.
        """

    async def complete(self, slot: bytes, claim: bytes, sealed: bytes, timeout_s: float) -> None:
        """Fill a claimed slot; when this returns, it is durable."""

    async def release(self, slot: bytes, claim: bytes, timeout_s: float) -> None:
        """Give a claimed slot up; does nothing when it is filled."""


@dataclass(frozen=True)
class Keys:
    """What both keys of a caller are turned into."""

    #: Names the slot.
    slot: bytes
    _mac: bytes = field(repr=False)
    _seal: bytes = field(repr=False)

    @classmethod
    def derive(cls, api_key: str, idempotency_key: str) -> Self:
        """Derive all three. The API key has the entropy; the idempotency key may be guessable."""
        kdf = HKDF(hashes.SHA256(), 3 * _KEY_BYTES, salt=None, info=_CONTEXT + idempotency_key.encode())
        derived = kdf.derive(api_key.encode())
        return cls(derived[:_KEY_BYTES], derived[_KEY_BYTES : 2 * _KEY_BYTES], derived[2 * _KEY_BYTES :])

    def digest(self, body: bytes) -> bytes:
        """Return the HMAC-SHA256 of a request's body: keyed, so that nobody can try out prompts on it."""
        return hmac.digest(self._mac, body, hashlib.sha256)

    def seal(self, body_digest: bytes, response: bytes, nonce: bytes) -> bytes:
        """Return nonce and ciphertext, bound to slot and body. The nonce is random: 96 bits, few seals a key."""
        return nonce + AESGCM(self._seal).encrypt(nonce, response, self.slot + body_digest)

    def open(self, body_digest: bytes, sealed: bytes) -> bytes:
        """Return what was sealed.

        Raises:
            DamagedError: it is not what was sealed for this slot and body.
        """
        nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return AESGCM(self._seal).decrypt(nonce, ciphertext, self.slot + body_digest)
        except (InvalidTag, ValueError) as error:  # ValueError: too short to hold a nonce
            raise DamagedError from error


class Once:
    """Runs requests once. Leave its context when no request is running: it waits for what goes on behind them."""

    def __init__(self, store: Store, clock: Callable[[], float], token_bytes: Callable[[int], bytes]) -> None:
        """Make one.

        Args:
            store: where responses are kept.
            clock: monotonic seconds.
            token_bytes: returns that many random bytes.
        """
        self._store = store
        self._clock = clock
        self._token_bytes = token_bytes
        self._behind: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        while self._behind:
            await asyncio.wait(self._behind)

    async def answer(
        self, api_key: str, key: str, body: bytes, deadline: float, run: Callable[[float], Awaitable[bytes]]
    ) -> bytes:
        """Return what the first request with this key was answered, or run it.

        Whatever ends the run early, its claim is released, so that the same key may run again: a failure, or a caller
        that left. Once there is a response, it is kept even for a caller that left: it is paid for.

        Args:
            api_key: the caller's.
            key: the caller's idempotency key.
            body: the request, serialized the same way each time.
            deadline: time of the clock.
            run: answers before a time of the clock.

        Raises:
            ConflictError, InProgressError: see `Store.claim`.
            DamagedError: see `Keys.open`.
        """
        keys = Keys.derive(api_key, key)
        digest, left = keys.digest(body), deadline - self._clock()
        held = await self._claim(keys.slot, digest, left)
        if isinstance(held, Kept):
            return keys.open(digest, held.sealed)
        try:
            response = await run(deadline - min(_KEEP_S, left * _KEEP_SHARE))
        except BaseException:
            # Should this process die before, the lease ends the claim; until then the key is in progress.
            releasing = self._go_on(self._release(keys.slot, held.claim))
            await asyncio.wait({releasing}, timeout=max(0.0, min(_RELEASE_S, deadline - self._clock())))
            raise
        sealed = keys.seal(digest, response, self._token_bytes(_NONCE_BYTES))
        completing = self._go_on(self._complete(keys.slot, held.claim, sealed))
        await asyncio.wait({completing}, timeout=max(0.0, min(_BEHIND_S, deadline - self._clock())))
        return response

    async def _claim(self, slot: bytes, digest: bytes, left: float) -> Claimed | Kept:
        lease_s = min(max(left, 0.0) + _BEHIND_S, _MAX_LEASE_S)
        claiming = self._go_on(self._store.claim(slot, digest, lease_s, min(_CLAIM_S, left)))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            self._go_on(self._give_up(slot, claiming))
            raise

    async def _give_up(self, slot: bytes, claiming: asyncio.Task[Claimed | Kept]) -> None:
        """Release the claim that a caller did not wait for."""
        await asyncio.wait({claiming})
        if claiming.exception() is None and isinstance(held := claiming.result(), Claimed):
            await self._release(slot, held.claim)

    async def _release(self, slot: bytes, claim: bytes) -> None:
        try:
            await self._store.release(slot, claim, _BEHIND_S)
        except Exception:  # noqa: BLE001 - whatever it is, the request's own outcome stands
            _log.exception("idempotency_claim_not_released")  # its lease ends it

    async def _complete(self, slot: bytes, claim: bytes, sealed: bytes) -> None:
        """Keep a response. Failing the request would make its caller pay again for certain, so that is only logged."""
        try:
            await self._store.complete(slot, claim, sealed, _BEHIND_S)
        except Exception:  # noqa: BLE001 - likewise
            _log.exception("idempotent_response_not_kept")
            await self._release(slot, claim)

    def _go_on(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start work that a caller's leaving does not cancel."""
        task = asyncio.create_task(work)
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)
        return task
