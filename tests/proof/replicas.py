"""Several replicas of the proof service over one PostgreSQL, and callers that take any of them."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

import grpc

from openprysm.proof.v2 import proof_pb2, proof_pb2_grpc
from proof.keys import ensure_key_file, ensure_log_key_file

from .checker import check
from .processes import PATIENCE_S, channel_to, starting
from .records import record
from .wire import sign_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from .processes import Start
    from .stores import Postgres

_CALLERS = 12
#: Seconds for which one try waits: a replica that is paused has the others asked.
_TRY_S = 5.0


@dataclass
class Replica:
    """One replica: its state folder, what starts it, and its newest process."""

    folder: Path
    start: Start
    channel: grpc.aio.Channel
    process: asyncio.subprocess.Process

    @property
    def stub(self) -> proof_pb2_grpc.ProofServiceStub:
        return proof_pb2_grpc.ProofServiceStub(self.channel)

    async def sign(self, number: int) -> proof_pb2.SignResponse:
        answer: proof_pb2.SignResponse = await self.stub.Sign(
            sign_request(record(number)), wait_for_ready=True, timeout=PATIENCE_S
        )
        return answer

    async def again(self) -> None:
        """Start it once more."""
        await self.process.wait()
        self.process = await self.start()

    async def supervise(self) -> None:
        """Start it again whenever it ends, as when it finds no database while it starts."""
        while True:
            await self.again()

    @property
    def said(self) -> str:
        """What it has logged, in all its lives."""
        return (self.folder / "log").read_text()


@asynccontextmanager
async def replicas(database: Postgres, folder: Path, number: int, **first: str) -> AsyncIterator[list[Replica]]:
    """Run so many replicas; the first one with settings of its own. They share their keys, and nothing else."""
    ensure_key_file(folder / "proof-key.pem")
    ensure_log_key_file(folder / "log-key.pem")
    async with AsyncExitStack() as stack:
        made = []
        for place in range(number):
            state = folder / str(place)
            state.mkdir(mode=0o700)
            for name in ("proof-key.pem", "log-key.pem"):
                shutil.copy(folder / name, state)
            start = await stack.enter_async_context(starting(state, database.settings))
            process = await start(**(first if place == 0 else {}))
            made.append(Replica(state, start, await stack.enter_async_context(channel_to(state)), process))
        try:
            yield made
        except BaseException:
            for replica in made:
                print(replica.folder, replica.said[-3000:], sep="\n")  # noqa: T201 - shown when a test fails
            raise


@dataclass
class Crowd:
    """Callers that sign one record after another, each at any replica until one acknowledges it."""

    replicas: list[Replica]
    told: dict[str, proof_pb2.SignResponse] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=count)
    _turns: Iterator[int] = field(default_factory=count)
    _ended: bool = False

    async def _call(self, number: int) -> None:
        request = sign_request(record(number))
        while True:
            replica = self.replicas[next(self._turns) % len(self.replicas)]
            try:
                answer = await replica.stub.Sign(request, timeout=_TRY_S)
            except grpc.aio.AioRpcError as error:
                assert error.code() in {  # noqa: PT017 - anything else would be wrong whatever was killed
                    grpc.StatusCode.UNAVAILABLE,
                    grpc.StatusCode.DEADLINE_EXCEEDED,
                    grpc.StatusCode.CANCELLED,
                }, error
                await asyncio.sleep(0.02)
                continue
            known = self.told.setdefault(request.request_id, answer)
            assert known == answer
            return

    async def _caller(self) -> None:
        while not self._ended:
            await self._call(next(self._numbers))

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """Call within the block; at its end every record that was begun is acknowledged."""
        callers = [asyncio.create_task(self._caller()) for _ in range(_CALLERS)]
        try:
            yield
        finally:
            self._ended = True
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.gather(*callers)
            self._ended = False

    async def progress(self, more: int) -> None:
        """Wait until so many more are acknowledged."""
        wanted = len(self.told) + more
        async with asyncio.timeout(PATIENCE_S):
            while len(self.told) < wanted:
                await asyncio.sleep(0.01)

    async def check(self, database: Postgres) -> None:
        """Hold the log against every answer, and have every replica asked again for some of them: the same bytes."""
        some = sorted(self.told)[:: max(1, len(self.told) // 20)]
        for replica in self.replicas:
            for name in some:
                assert await replica.sign(int(name.removeprefix("prysm-"), 16)) == self.told[name]
            check(database, replica.folder, self.told)
