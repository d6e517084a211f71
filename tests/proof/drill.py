"""`make drill-proof`: the service killed a hundred times under load; nothing is lost and the log never forks.

Prints a line a kill. The suite's own tests run a short one.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from .checker import check
from .processes import PATIENCE_S, connected, starting
from .records import record
from .wire import sign_request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openprysm.proof.v2 import proof_pb2, proof_pb2_grpc

    from .processes import Start

_CALLERS = 16
_KILLS = 100
#: Seconds under load before a kill, at most.
_LOAD_S = 0.6


class Load:
    """Callers that sign one record after another, and what they were told."""

    def __init__(self) -> None:
        self.told: dict[str, proof_pb2.SignResponse] = {}
        #: Numbers of records that were asked for and not acknowledged.
        self.open: set[int] = set()
        self._numbers: Iterator[int] = iter(range(10**9))

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


async def killed(start: Start, folder: Path, load: Load, wait_s: float) -> None:
    """Start the service, retry what is open, load it, kill it after a while, and check what it left behind."""
    process = await start()
    async with connected(folder) as stub:
        await load.again(stub)
        asyncio.get_running_loop().call_later(wait_s, process.send_signal, signal.SIGKILL)
        await load.until(stub, process)
    check(folder, load.told)


async def _drill() -> None:
    load, seed = Load(), time.time_ns()
    print(f"seed {seed}")  # noqa: T201 - it prints
    waits = random.Random(seed)  # noqa: S311 - moments
    with tempfile.TemporaryDirectory(prefix="pr") as name:
        async with starting(Path(name)) as start:
            for kill in range(1, _KILLS + 1):
                await killed(start, Path(name), load, waits.uniform(0, _LOAD_S))
                print(f"kill {kill}: {len(load.told)} acknowledged, all there")  # noqa: T201 - it prints
                sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_drill())
