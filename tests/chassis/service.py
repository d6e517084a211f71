"""A small service on the chassis, in this process: it answers PlannerService and ExecutorService as a test says."""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chassis import client
from chassis.config import Settings
from chassis.server import Server
from chassis.telemetry import Tracing
from openprysm.executor.v1 import executor_pb2, executor_pb2_grpc
from openprysm.planner.v1 import planner_pb2, planner_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    import grpc

    from chassis.identity import Keys

    Answer: TypeAlias = Callable[[planner_pb2.PlanRequest], Awaitable[planner_pb2.PlanResponse]]
    Stream: TypeAlias = Callable[[], AsyncIterator[executor_pb2.ExecuteResponse]]
    Metadata: TypeAlias = tuple[tuple[str, str], ...]

PLANNER = "openprysm.planner.v1.PlannerService"
EXECUTOR = "openprysm.executor.v1.ExecutorService"
SERVICES = (PLANNER, EXECUTOR)
#: Stands for a prompt or a key: it must never leave a service.
CANARY = "canary-7f3a"
#: Seconds after which what has not happened never will.
PATIENCE_S = 10.0


def free_address() -> str:
    """Return a TCP address that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"127.0.0.1:{probe.getsockname()[1]}"


async def _echo(request: planner_pb2.PlanRequest) -> planner_pb2.PlanResponse:
    return planner_pb2.PlanResponse(plan=planner_pb2.Plan(policy=request.policy))


async def _nothing() -> AsyncIterator[executor_pb2.ExecuteResponse]:
    events: tuple[executor_pb2.ExecuteResponse, ...] = ()
    for event in events:
        yield event


class Service(planner_pb2_grpc.PlannerServiceServicer, executor_pb2_grpc.ExecutorServiceServicer):
    """Both services; a test sets `answer` and `stream`."""

    def __init__(self, address: str, channel: grpc.aio.Channel, spans: InMemorySpanExporter) -> None:
        self.address = address
        self.channel = channel
        self.spans = spans
        self.answer: Answer = _echo
        self.stream: Stream = _nothing

    async def Plan(self, request: planner_pb2.PlanRequest, context: Any) -> planner_pb2.PlanResponse:  # noqa: ARG002, N802
        return await self.answer(request)

    async def Execute(self, *_: Any) -> AsyncIterator[executor_pb2.ExecuteResponse]:  # noqa: N802
        async for event in self.stream():
            yield event

    async def plan(self, policy: str = "", metadata: Metadata = ()) -> planner_pb2.PlanResponse:
        stub = planner_pb2_grpc.PlannerServiceStub(self.channel)
        return await stub.Plan(planner_pb2.PlanRequest(policy=policy), timeout=PATIENCE_S, metadata=metadata)

    async def raw(self, data: bytes, metadata: Metadata = (), method: str = f"/{PLANNER}/Plan") -> bytes:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(method)
        return await call(data, timeout=PATIENCE_S, metadata=metadata)


@asynccontextmanager
async def serving(
    folder: Path,
    keys: Keys | None = None,
    settings: Settings | None = None,
    address: str | None = None,
    internal: tuple[str, ...] = (),
) -> AsyncIterator[Service]:
    """Serve until the block ends, then stop as in real life, by SIGTERM. With `keys`, PlannerService needs one."""
    settings = settings or Settings(run=folder)
    address = address or settings.socket("planner")
    exporter = InMemorySpanExporter()
    tracing = Tracing.to(SimpleSpanProcessor(exporter))
    server = Server("planner", address, settings, tracing, keys, (f"/{PLANNER}/",), internal)
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def tell() -> None:
        ready.set_result(None)

    async with client.channel(address, settings) as channel:
        service = Service(address, channel, exporter)
        planner_pb2_grpc.add_PlannerServiceServicer_to_server(service, server.grpc)
        executor_pb2_grpc.add_ExecutorServiceServicer_to_server(service, server.grpc)
        task = asyncio.create_task(server.serve(SERVICES, tell))
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_S)
        if task.done():
            await task
        try:
            yield service
        finally:
            signal.raise_signal(signal.SIGTERM)
            async with asyncio.timeout(PATIENCE_S):
                await task
