"""The proof service as a process of its own, and how to talk to it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import grpc

from chassis import client
from openprysm.proof.v2 import proof_pb2_grpc

Start: TypeAlias = Callable[..., Awaitable[asyncio.subprocess.Process]]

PATIENCE_S = 20.0
_MORTAL = str(Path(__file__).with_name("mortal.py"))


@asynccontextmanager
async def starting(folder: Path, always: Mapping[str, str] = MappingProxyType({})) -> AsyncIterator[Start]:
    """Yield what starts the service on the folder, again and again if need be; none outlives the block.

    `always` are settings of every start.

    With a FAULT among the settings it is the mortal one.
    """
    started = []
    # A file and no pipe: one that nobody reads would fill up and hold the process.
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def begin(**settings: str) -> asyncio.subprocess.Process:
        environment = {**os.environ, "OPENPRYSM_STATE": str(folder), **always, **settings}
        program = [_MORTAL] if "FAULT" in settings else ["-m", "proof"]
        process = await asyncio.create_subprocess_exec(sys.executable, *program, env=environment, stderr=log)
        started.append(process)
        return process

    yield begin
    os.close(log)
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def channel_to(folder: Path) -> AsyncIterator[grpc.aio.Channel]:
    # A channel of its own for each process: no call waits for one that is gone.
    async with grpc.aio.insecure_channel(f"unix:{folder}/run/proof.sock", client.options()) as channel:
        yield channel


@asynccontextmanager
async def connected(folder: Path) -> AsyncIterator[proof_pb2_grpc.ProofServiceStub]:
    async with channel_to(folder) as channel:
        yield proof_pb2_grpc.ProofServiceStub(channel)


async def told(folder: Path, process: asyncio.subprocess.Process) -> tuple[int, str]:
    """Return the exit status and the last line of a process that ends."""
    async with asyncio.timeout(PATIENCE_S):
        status = await process.wait()
    with open(folder / "log") as log:  # noqa: ASYNC230, PTH123 - nothing else runs
        return status, log.read().splitlines()[-1]
