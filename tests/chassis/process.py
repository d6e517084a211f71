"""`program.py` as a child: started, watched, told to stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from openprysm.planner.v1 import planner_pb2, planner_pb2_grpc

from .service import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
PROGRAM = Path(__file__).with_name("program.py")


class Child:
    """The process, its log and its folder."""

    def __init__(self, folder: Path, address: str, process: asyncio.subprocess.Process) -> None:
        self.folder = folder
        self.process = process
        self.channel = grpc.aio.insecure_channel(address)

    async def plan(self, policy: str = "") -> planner_pb2.PlanResponse:
        stub = planner_pb2_grpc.PlannerServiceStub(self.channel)
        return await stub.Plan(planner_pb2.PlanRequest(policy=policy), timeout=PATIENCE_S)

    async def watch(self) -> AsyncGenerator[int, None]:
        """Yield the health, and again whenever it changes."""
        watch: Any = health_pb2_grpc.HealthStub(self.channel).Watch  # type: ignore[attr-defined] # the stubs leave it out
        async for answer in watch(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=PATIENCE_S):
            yield answer.status

    async def entered(self) -> None:
        """Wait until a request `wait` is in its handler."""
        async with asyncio.timeout(PATIENCE_S):
            while not (self.folder / "entered").exists():
                await asyncio.sleep(0.005)

    def leave(self) -> None:
        """Let the request `wait` end."""
        (self.folder / "leave").touch()

    async def stop(self) -> tuple[int, list[dict[str, Any]]]:
        """Send SIGTERM and return the exit status and the log."""
        self.process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def ended(self) -> tuple[int, list[dict[str, Any]]]:
        assert self.process.stderr
        async with asyncio.timeout(PATIENCE_S):
            log = (await self.process.stderr.read()).decode()
            return await self.process.wait(), [json.loads(line) for line in log.splitlines()]

    def spans(self) -> str:
        return (self.folder / "spans").read_text()


@asynccontextmanager
async def child(folder: Path, address: str | None = None, **environment: str) -> AsyncIterator[Child]:
    """Start the program and wait until it serves, on `planner.sock` in the folder or elsewhere.

    One with a port for probes is asked there.
    """
    address = address or f"unix:{folder}/planner.sock"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(PROGRAM),
        str(folder),
        address,
        env={**os.environ, **environment},
        stderr=asyncio.subprocess.PIPE,
    )
    running = Child(folder, environment.get("OPENPRYSM_PROBE_LISTEN", address), process)
    try:
        async with aclosing(running.watch()) as watch:
            async for status in watch:
                if status == SERVING:
                    break
        yield running
    finally:
        await running.channel.close()
        if process.returncode is None:
            process.kill()
        await process.wait()
