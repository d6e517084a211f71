"""Signing that is made up for: a run that could not be signed is kept, and signed as soon as that is possible again.

Nothing of this is on the way of a run that is signed at once. One that is not is on the disk before its client hears of
it; the answer is not, so the client gets an error, and the name under which the proof will be found.

Between the models' last answer and that moment nothing is on any disk: an executor that is killed there loses the run.
Its client got no answer and was promised nothing.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeVar

import structlog

from executor.outbox import DamagedError, FullError

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from random import Random

    from executor.orchestrate import Outcome, Signed
    from executor.outbox import Entry, Outbox
    from executor.transcript import Transcript

#: Seconds, and share of the time for signing, that are kept back for writing a run that was not signed.
_KEEP_S: Final = 0.5
_KEEP_SHARE: Final = 0.2
#: Seconds that signing a kept run may take.
_SIGN_S: Final = 10.0
#: Seconds of the first and of the longest pause after a failure; they double in between, and are jittered.
_FIRST_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 15.0
#: Seconds in which what still waits is tried once more before this process ends.
_LAST_S: Final = 3.0
#: Runs that are written at a time.
_WRITERS: Final = 4

T = TypeVar("T")
_log = structlog.get_logger()


class UnsignedError(Exception):
    """The run is made, and could not be signed, so that its answer is not returned.

    Attributes:
        proof_id: the request id under which its proof will be found later; None: that can't be promised.
    """

    def __init__(self, proof_id: str | None) -> None:
        super().__init__()
        self.proof_id = proof_id


class RejectedError(Exception):
    """A record will never be signed; the text says why, in words for the log."""


class Office(Protocol):
    """Writes records and has them signed."""

    def record(self, request_id: str, created: int, outcome: Outcome, written: Transcript) -> bytes:
        """Return the record of a run: salted digests, no text."""

    async def sign(self, record: bytes, timeout_s: float) -> Signed:
        """Have a record signed and stored; doing it again gives the same proof.

        Raises:
            RejectedError: see there. Whatever else is raised may be over the next time.
        """


class Recovery:
    """A notary that loses no run which could not be signed.

    From entering to leaving its context it signs what waits in the outbox, one after another: a service that has just
    come back is not overrun. One that fails lets all others pass, so that none can block them. Leave the context when
    no request is running; what waits then is tried once more, for a short time.
    """

    def __init__(self, office: Office, outbox: Outbox, random: Random) -> None:
        self._office = office
        self._outbox = outbox
        self._random = random
        # Threads of its own: a disk that hangs must not take those in which names of providers are looked up.
        self._writers = ThreadPoolExecutor(_WRITERS, "outbox")
        self._news = asyncio.Event()
        self._behind: set[asyncio.Task[Any]] = set()
        self._relaying: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if (backlog := self._outbox.backlog()).entries or backlog.aside:
            _log.warning(
                "outbox_taken_up", entries=backlog.entries, oldest_s=round(backlog.oldest_s), aside=backlog.aside
            )
        self._relaying = asyncio.create_task(self._relay())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._written()
        if self._relaying is not None:
            self._relaying.cancel()
            await asyncio.gather(self._relaying, return_exceptions=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_S):
                while (entry := self._outbox.next()) is not None and await self._deliver(entry):
                    pass
        await self._written()  # a request that was cut off a moment ago
        self._writers.shutdown()
        if (backlog := self._outbox.backlog()).entries:
            _log.warning("outbox_left_behind", entries=backlog.entries, oldest_s=round(backlog.oldest_s))

    async def sign(
        self, request_id: str, created: int, outcome: Outcome, written: Transcript, timeout_s: float
    ) -> Signed:
        """Sign the record of a run, or keep it. One whose client leaves in the meantime is kept, too: it was made.

        Raises:
            UnsignedError: it could not be signed, in nearly all of `timeout_s`; the rest is for keeping it.
        """
        loop = asyncio.get_running_loop()
        ends = loop.time() + timeout_s
        record = self._office.record(request_id, created, outcome, written)
        try:
            return await self._office.sign(record, timeout_s - min(_KEEP_S, timeout_s * _KEEP_SHARE))
        except asyncio.CancelledError:
            self._go_on(self._keep(request_id, record))  # nobody waits for it
            raise
        except Exception as error:
            keeping = self._go_on(self._keep(request_id, record))
            await asyncio.wait({keeping}, timeout=max(0.0, ends - loop.time()))
            # What a slow disk takes later is signed all the same, but promised to nobody.
            kept = keeping.done() and keeping.result()
            _log.warning("run_not_signed", request_id=request_id, kept=kept, exc_info=error)
            # A rejected one is kept for the operator; that it will be signed is not to be promised.
            promised = kept and not isinstance(error, RejectedError)
            raise UnsignedError(request_id if promised else None) from error

    async def _keep(self, request_id: str, record: bytes) -> bool:
        """Keep a run and tell whether that worked."""
        try:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._writers, self._outbox.keep, request_id, record)
        except FullError:
            backlog = self._outbox.backlog()
            _log.error("outbox_full", request_id=request_id, entries=backlog.entries, aside=backlog.aside)
            return False
        except OSError:
            _log.exception("outbox_not_written", request_id=request_id)
            return False
        self._news.set()
        return True

    async def _written(self) -> None:
        """Wait until what is being kept is on the disk."""
        while self._behind:
            await asyncio.wait(self._behind)

    async def _relay(self) -> None:
        """Sign what waits, until cancelled."""
        failures = 0
        while True:
            entry = self._outbox.next()
            if entry is None:
                self._news.clear()  # what is kept from here on sets it again
                await self._news.wait()
            elif await self._deliver(entry):
                failures = 0
            else:
                pause = min(_FIRST_PAUSE_S * 2.0 ** min(failures, 16), _LONGEST_PAUSE_S)
                failures += 1
                await asyncio.sleep(pause * self._random.uniform(0.5, 1.0))

    async def _deliver(self, entry: Entry) -> bool:
        """Try one run; False: it waits still, behind all others."""
        try:
            await self._settle(entry)
        except Exception:  # noqa: BLE001 - whatever it is, the run is not lost and the next one is tried
            self._outbox.postpone(entry.request_id)
            backlog = self._outbox.backlog()
            _log.exception(
                "outbox_waits", request_id=entry.request_id, entries=backlog.entries, oldest_s=round(backlog.oldest_s)
            )
            return False
        return True

    async def _settle(self, entry: Entry) -> None:
        """Have one run signed and remove it, or set it aside when it can't be.

        Dying before it is removed means that it is signed again after the next start, to the same proof.
        """
        name = entry.request_id
        try:
            record = self._outbox.read(name)
        except DamagedError:
            self._outbox.set_aside(name, ".damaged")
            _log.exception("outbox_entry_damaged", request_id=name)
            return
        except FileNotFoundError:
            self._outbox.remove(name)  # another executor, or a person, was faster
            return
        try:
            signed = await self._office.sign(record, _SIGN_S)
        except RejectedError as error:
            self._outbox.set_aside(name, ".refused")
            _log.error("outbox_entry_refused", request_id=name, why=str(error))
        else:
            self._outbox.remove(name)
            _log.info("signed_late", request_id=name, proof_hash=signed.proof_hash)

    def _go_on(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start work that a client's leaving does not cancel."""
        task = asyncio.create_task(work)
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)
        return task
