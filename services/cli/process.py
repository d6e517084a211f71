"""One child process: started in a session of its own, watched, restarted when it dies, stopped in good order."""

from __future__ import annotations

import asyncio
import ctypes
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

#: Seconds between death and restart, one entry a restart; more deaths in a row mean that it can't live.
_RESTARTS_S: Final = (0.2, 0.5, 1.0, 2.0, 4.0)
#: A child that lived this long starts with a clean slate.
_HEALTHY_AFTER_S: Final = 30.0
_PR_SET_PDEATHSIG: Final = 1
_POLL_S: Final = 0.05


class ChildError(Exception):
    """A child can't be brought up or kept up; the text is one line for the operator."""


def _die_with_parent() -> None:
    """Ask the kernel to end this child when the supervisor dies, even by SIGKILL."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text("utf-8", "replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1][:300] if lines else ""


@dataclass
class Child:
    """A service as the supervisor knows it."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    #: Tells whether it answers.
    is_ready: Callable[[], Awaitable[bool]]
    #: Awaited before SIGTERM.
    drain: Callable[[], Awaitable[object]] | None = None
    #: Seconds to become ready, and seconds to stop.
    start_s: float = 30.0
    stop_s: float = 35.0
    process: asyncio.subprocess.Process | None = field(default=None, init=False)
    _stopping: bool = field(default=False, init=False)

    async def start(self) -> None:
        """Start it and wait until it is ready.

        Raises:
            ChildError: it died, or did not become ready in time.
        """
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(self.environment),
                start_new_session=True,  # Ctrl-C is for the supervisor, which stops its children in order
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        try:
            async with asyncio.timeout(self.start_s):
                while not await self.is_ready():
                    if self.process.returncode is not None:
                        raise ChildError(f"{self.name} did not start: {self._obituary()}")
                    await asyncio.sleep(_POLL_S)
        except TimeoutError as error:
            raise ChildError(f"{self.name} was not ready in {self.start_s:.0f} s; see {self.log}") from error

    async def keep(self, say: Callable[[str], None]) -> None:
        """Restart it whenever it dies.

        Raises:
            ChildError: it keeps dying.
        """
        loop = asyncio.get_running_loop()
        deaths = 0
        while self.process is not None:
            born = loop.time()
            await self.process.wait()
            if self._stopping:
                return
            deaths = 1 if loop.time() - born > _HEALTHY_AFTER_S else deaths + 1
            if deaths > len(_RESTARTS_S):
                raise ChildError(f"{self.name} keeps dying: {self._obituary()}")
            say(f"{self.name} died: {self._obituary()}; starting it again")
            await asyncio.sleep(_RESTARTS_S[deaths - 1])
            if self._stopping:
                return
            with suppress(ChildError):  # a child that died again is mourned in the next round
                await self.start()

    def _obituary(self) -> str:
        code = self.process.returncode if self.process else None
        if code is not None and code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return _last_line(self.log) or f"exit status {code}"

    async def stop(self) -> None:
        """Stop it: drain, SIGTERM, and SIGKILL when that was not enough. Does nothing to one that never ran."""
        self._stopping = True
        process = self.process
        if process is None or process.returncode is not None:
            return
        if self.drain is not None:
            with suppress(OSError, TimeoutError):
                await self.drain()
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(self.stop_s):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
