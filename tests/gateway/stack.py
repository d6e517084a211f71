"""A real Envoy between a test's client and fake services."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import aiohttp

from cli.gateway import GatewaySettings, command, configure
from gateway.fakes import SERVICES, Fake

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

KEY = f"prysm_sk_0123456789abcdef_{'s' * 43}"
ASK = b'{"messages": [{"role": "user", "content": "hi"}]}'
#: Seconds after which what has not happened never will.
PATIENCE_S = 10.0
_TIMEOUT = aiohttp.ClientTimeout(PATIENCE_S)


class Reply(NamedTuple):
    """An HTTP response. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return str(self.json["detail"]["message"])

    @property
    def error(self) -> str:
        """The error code, after a look at all that errors have in common, to the byte."""
        start, _, rest = self.body.decode().partition('","message":"')
        message, _, end = rest.rpartition('","request_id":"')
        assert message
        code = start.removeprefix('{"detail":{"error":"')
        assert self.body.decode() == (
            f'{{"detail":{{"error":"{code}","message":"{message}","request_id":"{self.headers["x-request-id"]}"}}}}'
        )
        assert self.json["detail"].keys() == {"error", "message", "request_id"}
        assert len(self.json["detail"]["request_id"]) >= len("1234567890123456")
        assert self.headers["content-type"] == "application/json"
        assert end
        return code


async def soon(event: asyncio.Event) -> None:
    """Wait for an event that has to come."""
    await asyncio.wait_for(event.wait(), PATIENCE_S)


class Stack:
    """A gateway, its services, and clients of it."""

    def __init__(self, settings: GatewaySettings, folder: Path) -> None:
        self.settings = settings
        self.folder = folder
        self.executor = Fake("executor", folder)
        self.planner = Fake("planner", folder)
        self.proof = Fake("proof", folder)
        #: The access log.
        self.log: list[dict[str, Any]] = []
        self.port = 0
        self.process: asyncio.subprocess.Process

    def reset(self) -> None:
        self.executor.reset()
        self.planner.reset()
        self.proof.reset()

    @property
    def untouched(self) -> bool:
        """No service has seen anything."""
        return self.executor.calls == self.planner.calls == self.proof.calls == []

    async def admin(self, path: str) -> str:
        connector = aiohttp.UnixConnector(str(self.settings.admin_socket))
        async with aiohttp.ClientSession("http://admin", connector=connector) as session, session.get(path) as response:
            return await response.text()

    async def stat(self, name: str) -> int:
        return int((await self.admin(f"/stats?filter=^{name}$")).rpartition(":")[2] or 0)

    async def request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | list[tuple[str, str]] | None = None
    ) -> Reply:
        async with (
            aiohttp.ClientSession(f"http://127.0.0.1:{self.port}", timeout=_TIMEOUT) as session,
            session.request(method, path, data=body, headers=headers) as response,
        ):
            lower = {name.lower(): value for name, value in response.headers.items()}
            return Reply(response.status, lower, await response.read())

    async def orchestrate(self, body: Any = ASK, *, path: str = "/v2/orchestrate", **headers: str) -> Reply:
        """POST with a good key. A header `x_y` is sent as `x-y`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.request("POST", path, body, {"authorization": f"Bearer {KEY}", **named})

    async def raw(self, data: bytes) -> Reply:
        """Send bytes as they are, and read one HTTP/1.1 response."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        async with asyncio.timeout(PATIENCE_S):
            writer.write(data)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
            headers = dict(line.lower().split(": ", 1) for line in head[1:-1])
            body = await reader.readexactly(int(headers["content-length"]))
        writer.transport.abort()
        return Reply(int(head[0].split()[1]), headers, body)

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not await condition():
                await asyncio.sleep(0.01)

    async def healthy(self) -> bool:
        """Envoy sends requests to all services."""
        return [await self.stat(f"cluster.{name}.membership_healthy") for name in SERVICES] == [1, 1, 1]

    async def logged(self, reply: Reply) -> dict[str, Any]:
        """Return the access log's line about a response."""

        async def find() -> bool:
            return any(line["request_id"] == reply.headers["x-request-id"] for line in self.log)

        await self.until(find)
        return next(line for line in self.log if line["request_id"] == reply.headers["x-request-id"])

    async def _read_log(self) -> None:
        assert self.process.stdout
        async for line in self.process.stdout:
            self.log.append(json.loads(line))

    @asynccontextmanager
    async def run(self, patch: Callable[[str], str], *, healthy: bool = True) -> AsyncIterator[None]:
        """Run Envoy; wait until it listens and, when asked, until it has found the services."""
        config = self.folder / "envoy.yaml"
        config.write_text(patch(configure(self.settings).read_text()))
        with (self.folder / "envoy.err").open("wb") as errors:
            self.process = await asyncio.create_subprocess_exec(
                *command(config), stdout=asyncio.subprocess.PIPE, stderr=errors
            )
        log = asyncio.create_task(self._read_log())
        try:
            await self.until(self._listens)
            if healthy:
                await self.until(self.healthy)
            yield
            if self.process.returncode is None:
                # An error in errors.lua lets a response pass as it is: a test might not notice.
                assert await self.stat("http.rest.lua.errors") == 0
        finally:
            if self.process.returncode is None:
                self.process.kill()
            await self.process.wait()
            await log

    async def _listens(self) -> bool:
        assert self.process.returncode is None, (self.folder / "envoy.err").read_text()
        try:
            listeners = json.loads(await self.admin("/listeners?format=json")).get("listener_statuses")
        except (aiohttp.ClientError, ValueError):
            return False
        if listeners:
            self.port = listeners[0]["local_address"]["socket_address"]["port_value"]
        return self.port != 0


def as_it_is(text: str) -> str:
    return text


@asynccontextmanager
async def run_stack(
    patch: Callable[[str], str] = as_it_is, *, late: bool = False, **settings: Any
) -> AsyncIterator[Stack]:
    """Run a gateway with `settings`, its configuration changed by `patch`; `late`: before its services."""
    async with AsyncExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="gw")))
        defaults: dict[str, Any] = {"port": 0, "run": folder}
        stack = Stack(GatewaySettings(**defaults | settings), folder)
        parts = [stack.executor.serve(), stack.planner.serve(), stack.proof.serve(), stack.run(patch, healthy=not late)]
        for part in reversed(parts) if late else parts:
            await exits.enter_async_context(part)
        yield stack


Start: TypeAlias = Callable[..., AbstractAsyncContextManager[Stack]]
