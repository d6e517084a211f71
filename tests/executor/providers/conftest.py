"""A provider's server on a free port that answers as the test says, and keeps what it was sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import aiohttp
import pytest
from aiohttp import web

from executor.chat import ChatRequest, Message
from executor.providers.http import session

Handler: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

#: A key that must never come out again.
KEY = "sk-canary-4f1d"


@dataclass
class Seen:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Upstream:
    """The server."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    handler: Handler | None = None
    #: The caller hung up in the middle of an answer.
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    key = KEY
    request = ChatRequest("gpt", (Message("user", "Hi"),), 50, 0.7)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append(Seen(request.path, headers, json.loads(await request.read() or b"null")))
        assert self.handler
        try:
            return await self.handler(request)
        except asyncio.CancelledError:
            self.gone.set()
            raise

    def answers(self, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Answer with JSON, or with bytes as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()

        async def handle(_request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(
                body=data, status=status, headers={"content-type": "application/json", **(headers or {})}
            )

        self.handler = handle

    def streams(self, *chunks: bytes, content_type: str = "text/event-stream", then: str = "end") -> None:
        """Answer chunk by chunk; then `end`, `cut` the connection, or `hold` it open without another word."""

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            response = web.StreamResponse(headers={"content-type": content_type})
            await response.prepare(request)
            for chunk in chunks:
                await response.write(chunk)
                await asyncio.sleep(0)
            if then == "hold":
                await asyncio.Event().wait()
            if then == "cut":
                assert request.transport
                request.transport.close()
            return response

        self.handler = handle

    def writes(self, raw: bytes, *, abort: bool = False, hold: bool = False) -> None:
        """Answer with bytes that need be no HTTP, then close the connection."""

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            assert request.transport
            request.transport.write(raw)
            if hold:
                await asyncio.Event().wait()
            if abort:
                request.transport.abort()
            else:
                request.transport.close()
            return web.Response()

        self.handler = handle


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    server = Upstream()
    runner = web.ServerRunner(web.Server(server._handle, handler_cancellation=True), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """The session that the executor uses."""
    async with session() as opened:
        yield opened
