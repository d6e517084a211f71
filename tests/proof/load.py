"""Load on the proof service, and what its callers were told."""

from __future__ import annotations

import asyncio
import random
import signal
from typing import TYPE_CHECKING

import grpc

from .checker import check
from .processes import PATIENCE_S, connected
from .records import record
from .wire import sign_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from openprysm.proof.v2 import proof_pb2, proof_pb2_grpc

    from .processes import Start
    from .stores import Database

_CALLERS = 16


class Load:
    """Callers that sign one record after another, and what they were told."""

    def __init__(self) -> None:
        self.told: dict[str, proof_pb2.SignResponse] = {}
        #: Numbers of records that were asked for and not acknowledged.
        self.open: set[int] = set()
        self._numbers: Iterator[int] = iter(range(10**9))
        self._end: Callable[[], None] = lambda: None

    def after(self, answers: int, wait_s: float, process: asyncio.subprocess.Process) -> None:
        """Kill the process a moment after so many records were acknowledged."""

        def end() -> None:
            if len(self.told) >= answers:
                self._end = lambda: None
                asyncio.get_running_loop().call_later(wait_s, process.send_signal, signal.SIGKILL)

        self._end = end

    async def _call(self, stub: proof_pb2_grpc.ProofServiceStub, number: int) -> bool:
        self.open.add(number)
        request = sign_request(record(number))
        try:
            answer = await stub.Sign(request, wait_for_ready=True, timeout=PATIENCE_S)
        except grpc.aio.AioRpcError:
            return False
        known = self.told.setdefault(request.request_id, answer)
        assert known == answer
        self.open.discard(number)
        self._end()
        return True

    async def _caller(self, stub: proof_pb2_grpc.ProofServiceStub, started: asyncio.Event) -> None:
        while await self._call(stub, next(self._numbers)):
            started.set()

    async def until(self, stub: proof_pb2_grpc.ProofServiceStub, process: asyncio.subprocess.Process) -> None:
        """Run the callers until the process has ended."""
        callers = [asyncio.create_task(self._caller(stub, asyncio.Event())) for _ in range(_CALLERS)]
        async with asyncio.timeout(PATIENCE_S):
            await process.wait()
        for caller in callers:
            caller.cancel()
        for outcome in await asyncio.gather(*callers, return_exceptions=True):
            if isinstance(outcome, AssertionError):
                raise outcome

    async def again(self, stub: proof_pb2_grpc.ProofServiceStub) -> None:
        """Ask again for what was not acknowledged, and for some that were: the same bytes."""
        some = random.Random(len(self.told)).sample(sorted(self.told), min(50, len(self.told)))  # noqa: S311 - a sample
        for number in sorted(self.open | {int(name.removeprefix("prysm-"), 16) for name in some}):
            assert await self._call(stub, number)


async def killed(start: Start, database: Database, folder: Path, load: Load, answers: int, wait_s: float) -> None:
    """Start the service, retry what is open, load it, kill it a moment after so many answers, check what is left."""
    process = await start()
    async with connected(folder) as stub:
        await load.again(stub)
        load.after(len(load.told) + answers, wait_s, process)
        await load.until(stub, process)
    if load.told:  # else the log may not have begun
        check(database, folder, load.told)
