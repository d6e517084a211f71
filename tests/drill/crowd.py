"""Steady load: clients that keep their connections, and a balancer that spreads new ones over the gateways."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

import aiohttp

from drill.ledger import CUT, CUT_STREAM, Told
from drill.replica import http_serves
from system.events import read

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Clients, and seconds between one's requests.
CLIENTS: Final = 12
_PAUSE_S: Final = 0.35
#: Seconds between looks at a gateway's readiness: a kubelet's `periodSeconds` is two.
_LOOK_S: Final = 0.2
_PATIENCE_S: Final = 60.0
#: What a failure says whose run is kept, and proven as soon as that is possible.
_PROMISED: Final = re.compile(r"/v1/proof/(prysm-[0-9a-f]+)")
_QUESTION: Final = [{"role": "user", "content": "What is the capital of France?"}]
#: What the clients ask for, in turns.
_BODIES: Final[tuple[dict[str, Any], ...]] = (
    {"strategy": "single"},
    {"strategy": "single", "stream": True},
    {"strategy": "ensemble_moa", "policy": "depth"},
    {"strategy": "single"},
)


class Balancer:
    """Knows which gateways are ready, as a Service does: for new connections only."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = tuple(urls)
        self._ready: tuple[str, ...] = self._urls
        self._dice = random.Random(7)  # noqa: S311 - a spread

    async def watch(self) -> None:
        """Look at all of them again and again."""
        while True:
            found = await asyncio.gather(*(http_serves(f"{url}/healthz") for url in self._urls))
            self._ready = tuple(url for url, ready in zip(self._urls, found, strict=True) if ready)
            await asyncio.sleep(_LOOK_S)

    def pick(self) -> str:
        """Return a gateway for a new connection."""
        return self._dice.choice(self._ready or self._urls)


class Crowd:
    """The clients and what they were told, from entering the context to leaving it."""

    def __init__(self, balancer: Balancer, key: str) -> None:
        self._balancer = balancer
        #: The key of the next requests.
        self.key = key
        self.told: list[Told] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._balancer.watch())]
        self._tasks += [asyncio.create_task(self._client(number)) for number in range(CLIENTS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def _client(self, number: int) -> None:
        await asyncio.sleep(_PAUSE_S * number / CLIENTS)
        turn = number
        while True:
            url = self._balancer.pick()
            connector = aiohttp.TCPConnector(limit=1)
            timeout = aiohttp.ClientTimeout(_PATIENCE_S)
            async with aiohttp.ClientSession(url, connector=connector, timeout=timeout) as client:
                kept = True
                while kept:
                    turn += 1
                    kept = await self._ask(client, _BODIES[turn % len(_BODIES)])
                    await asyncio.sleep(_PAUSE_S)

    async def _ask(self, client: aiohttp.ClientSession, fields: dict[str, Any]) -> bool:
        """Send one request, write down what came of it, and tell whether the connection is kept."""
        body, headers = {"messages": _QUESTION, **fields}, {"authorization": f"Bearer {self.key}"}
        began, failure = time.monotonic(), CUT
        try:
            async with client.post("/v2/orchestrate", json=body, headers=headers) as response:
                failure = CUT_STREAM if response.content_type == "text/event-stream" else CUT
                text = await response.text()
                self.told.append(_told(began, response.status, text, streamed="stream" in fields))
                return response.headers.get("connection") != "close"
        except (aiohttp.ClientError, OSError, TimeoutError):
            self.told.append(Told(began, time.monotonic(), failure))
            return False

    async def until(self, answers: int, timeout_s: float = 60.0) -> None:
        """Wait until so many more requests were answered."""
        wanted = self._answered() + answers
        async with asyncio.timeout(timeout_s):
            while self._answered() < wanted:
                await asyncio.sleep(0.05)

    def _answered(self) -> int:
        return sum(not told.failure for told in self.told)


def _failed(began: float, ended: float, status: int, detail: Any) -> Told:
    promised = _PROMISED.search(detail["message"])
    return Told(began, ended, f"{status} {detail['error']}", promised[1] if promised else "")


def _told(began: float, status: int, text: str, *, streamed: bool) -> Told:
    ended = time.monotonic()
    result: Any = None
    if status != 200:
        with suppress(ValueError, KeyError, TypeError):
            return _failed(began, ended, status, json.loads(text)["detail"])
        return Told(began, ended, f"{status} without a body of ours")
    if streamed:
        try:
            last = read(text)[-1]
        except (AssertionError, ValueError, IndexError):
            return Told(began, ended, CUT_STREAM)
        if last["type"] == "error":
            return _failed(began, ended, 502, last["detail"])  # 200 was spent; without a stream it would have been this
        result = last["result"]
    else:
        result = json.loads(text)
    prysm = result["prysm"]
    proof, degraded = prysm["proof"], bool(prysm["orchestration"].get("degraded"))
    return Told(began, ended, "", result["id"], proof["transcript"], proof.get("keyid", ""), degraded)
