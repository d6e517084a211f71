"""One served model: its process, and the queue before it."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import structlog

from local.chat import ChatError, refused

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncGenerator, Sequence

#: Bytes of one line from the engine: a chunk with twenty alternatives a token has about 4 kB.
_LINE_LIMIT: Final = 8 << 20
#: Seconds that a stopped engine has to become free before it is killed and loaded anew.
_STOP_S: Final = 15.0
_LONGEST_RETRY_S: Final = 60

_log = structlog.get_logger()


class ModelError(Exception):
    """A model can't be loaded; its text is one line for the operator."""


class _GoneError(Exception):
    """The engine's process ended."""


class Model:
    """One model that answers one request at a time, in the order of arrival."""

    def __init__(self, name: str, command: Sequence[str], *, queue: int) -> None:
        """Make a model that is not loaded yet.

        Args:
            name: its id.
            command: its engine, a program that speaks as local.pipe says.
            queue: how many requests may wait.
        """
        self.name = name
        self.loaded = asyncio.Event()
        #: Set once; from then on nothing that waits is begun.
        self.stopping = False
        self._command = command
        self._queue = queue
        #: Requests that wait for their turn.
        self.waiting = 0
        #: Held from a request's first byte to the engine until the engine is free again. First come, first served.
        self._turn = asyncio.Lock()
        self._process: Process | None = None
        #: Mean seconds of a request, the younger ones weighing more.
        self._seconds = 1.0

    async def run(self) -> None:
        """Keep the model loaded until cancelled; an engine that dies on the way is started anew.

        Raises:
            ModelError: it can't be loaded.
        """
        while True:
            began = time.monotonic()
            # A session of its own: Ctrl-C is ours to handle. It ends with its stdin, so also when we are killed.
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_LINE_LIMIT,
                start_new_session=True,
            )
            self._process = process
            try:
                if not (message := await self._next(process)).get("ready"):
                    raise ModelError(f"{self.name} can't be loaded: {message.get('failed')}")
                self.loaded.set()
                _log.info("model loaded", model=self.name, seconds=round(time.monotonic() - began, 2))
                await process.wait()
            except _GoneError:
                raise ModelError(f"{self.name} can't be loaded: its engine ended while loading it") from None
            finally:
                self.loaded.clear()
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
            _log.error("model died", model=self.name, status=process.returncode)

    async def chat(self, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the engine's chunks. Closing this generator, or cancelling who waits for it, stops the engine.

        Raises:
            ChatError: the model is not loaded, has too long a queue, or refuses the request.
        """
        process = await self._take_turn()
        began = time.monotonic()
        busy = True
        try:
            await self._send(process, {"request": body})
            while not (message := await self._next(process)).get("done"):
                if "error" in message:
                    await self._until_done(process)
                    busy = False
                    raise refused(message["error"])
                yield message["chunk"]
            busy = False
        except _GoneError:
            busy = False
            raise ChatError(503, f"{self.name} failed and is being loaded anew", retry_after_s=5) from None
        finally:
            # From here on the turn is this task's, not the caller's: who is cancelled once more, while he waits here,
            # leaves at once and hands on no engine that is still being read from.
            await asyncio.shield(asyncio.ensure_future(self._end_turn(process, began, busy=busy)))

    async def _take_turn(self) -> Process:
        """Wait in line and return the engine, to be given back by `_end_turn`. Who is cancelled meanwhile leaves."""
        if self._turn.locked() and self.waiting >= self._queue:
            wait = min(_LONGEST_RETRY_S, max(1, round(self._seconds * self._queue / 2)))
            raise ChatError(429, f"{self.name} has {self.waiting} requests waiting", "queue_full", wait)
        self.waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self.waiting -= 1
        if not self.stopping and self._process is not None and self.loaded.is_set():
            return self._process
        self._turn.release()
        if self.stopping:
            raise ChatError(503, "stopping", retry_after_s=5)
        raise ChatError(503, f"{self.name} is being loaded", retry_after_s=2)

    async def _end_turn(self, process: Process, began: float, *, busy: bool) -> None:
        """Stop the engine if it is busy, and only then let the next one have it."""
        try:
            if busy:
                await self._stop(process)
        finally:
            self._seconds += (time.monotonic() - began - self._seconds) / 4
            self._turn.release()

    async def _stop(self, process: Process) -> None:
        try:
            async with asyncio.timeout(_STOP_S):
                await self._send(process, {"stop": True})
                await self._until_done(process)
        except TimeoutError:
            process.kill()
        except _GoneError:
            pass

    async def _until_done(self, process: Process) -> None:
        while not (await self._next(process)).get("done"):
            pass

    async def _send(self, process: Process, message: dict[str, Any]) -> None:
        assert process.stdin is not None  # noqa: S101 - made with a pipe
        try:
            process.stdin.write(json.dumps(message).encode() + b"\n")
            await process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise _GoneError from error

    async def _next(self, process: Process) -> dict[str, Any]:
        assert process.stdout is not None  # noqa: S101 - made with a pipe
        if not (line := await process.stdout.readline()):
            raise _GoneError
        message: dict[str, Any] = json.loads(line)
        return message
