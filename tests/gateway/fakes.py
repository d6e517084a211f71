"""Services that do what a test says, behind a relay that a test can break."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from chassis.errors import ServiceError, trailing_metadata
from openprysm.compliance.v2 import compliance_pb2
from openprysm.orchestration.v2 import orchestration_pb2
from openprysm.proof.v2 import proof_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
    Behaviour: TypeAlias = Callable[[Any, Context], Awaitable[Any]]
    Streaming: TypeAlias = Callable[[Any, Context], AsyncIterator[Any]]

SERVICES = {
    "executor": tuple(orchestration_pb2.DESCRIPTOR.services_by_name.values()),
    "planner": (compliance_pb2.DESCRIPTOR.services_by_name["ComplianceService"],),
    "proof": (proof_pb2.DESCRIPTOR.services_by_name["ProofService"],),
}


@dataclass
class Call:
    """What a service saw of one request."""

    method: str
    request: Any
    metadata: dict[str, list[str | bytes]]
    remaining_s: float | None


class Fake:
    """A service: every method does `behaviour` or `streaming`, or answers with one empty message."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.path = folder / f"{name}.sock"
        self.calls: list[Call] = []
        self.behaviour: Behaviour | None = None
        self.streaming: Streaming | None = None
        self.checks = health.aio.HealthServicer()
        self._behind = folder / f"{name}-behind.sock"
        self._flowing = asyncio.Event()
        self._links: set[asyncio.StreamWriter] = set()
        self._relay: asyncio.Server | None = None

    def reset(self) -> None:
        self.calls, self.behaviour, self.streaming = [], None, None

    def raises(self, error: Exception) -> None:
        """Fail from now on."""

        async def fail(_request: Any, _context: Context) -> Any:
            raise error

        self.behaviour = fail

    def _note(self, method: str, request: Any, context: Context) -> None:
        metadata: dict[str, list[str | bytes]] = {}
        for key, value in context.invocation_metadata() or ():
            metadata.setdefault(key, []).append(value)
        self.calls.append(Call(method, request, metadata, context.time_remaining()))

    async def _answer(self, method: str, empty: type[Any], request: Any, context: Context) -> Any:
        self._note(method, request, context)
        try:
            return await self.behaviour(request, context) if self.behaviour else empty()
        except ServiceError as error:
            await context.abort(error.code, error.message, trailing_metadata(error))

    async def _stream(self, method: str, empty: type[Any], request: Any, context: Context) -> AsyncIterator[Any]:
        if self.behaviour or not self.streaming:
            yield await self._answer(method, empty, request, context)
            return
        self._note(method, request, context)
        try:
            async with aclosing(self.streaming(request, context)) as replies:  # type: ignore[type-var] # a generator
                async for reply in replies:
                    yield reply
        except ServiceError as error:
            await context.abort(error.code, error.message, trailing_metadata(error))

    def _handler(self, service: Any) -> grpc.GenericRpcHandler:
        handlers = {}
        for method in service.methods:
            reply = GetMessageClass(method.output_type)
            streams = method.server_streaming
            serve, make = (
                (self._stream, grpc.unary_stream_rpc_method_handler)
                if streams
                else (self._answer, grpc.unary_unary_rpc_method_handler)
            )
            handlers[method.name] = make(
                partial(serve, method.name, reply),
                GetMessageClass(method.input_type).FromString,
                reply.SerializeToString,
            )
        return grpc.method_handlers_generic_handler(service.full_name, handlers)

    @asynccontextmanager
    async def serve(
        self, address: str | None = None, credentials: grpc.ServerCredentials | None = None
    ) -> AsyncIterator[int]:
        """Serve behind the relay, or at `address` without one; yield the port."""
        server = grpc.aio.server()
        server.add_generic_rpc_handlers(tuple(self._handler(service) for service in SERVICES[self.name]))
        await self.checks.set("", health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(self.checks, server)
        if address and credentials:
            port = server.add_secure_port(address, credentials)
        else:
            port = server.add_insecure_port(address or f"unix:{self._behind}")
        await server.start()
        if address is None:
            await self.connect()
        try:
            yield port
        finally:
            await self.disconnect()
            await server.stop(None)

    async def connect(self) -> None:
        """Let Envoy reach the service."""
        self._flowing.set()
        self._relay = await asyncio.start_unix_server(self._link, self.path)

    async def disconnect(self) -> None:
        """Die, as far as Envoy can tell: open connections break, new ones are refused."""
        if self._relay:
            self._relay.close()
            self.path.unlink(missing_ok=True)
        for writer in self._links:
            writer.transport.abort()

    def freeze(self) -> None:
        """Hang, as far as Envoy can tell: connections stay, nothing comes through."""
        self._flowing.clear()

    def thaw(self) -> None:
        self._flowing.set()

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(self._behind)
        self._links |= {writer, far_writer}
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pump(reader, far_writer))
            group.create_task(self._pump(far_reader, writer))
        self._links -= {writer, far_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()
