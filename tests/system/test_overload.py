"""More than the suite can do: what is too much is refused at once, costs nothing, and is forgotten afterwards."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from system.suite import serving, wait_until
from system.upstream import Upstream, hangs, says

if TYPE_CHECKING:
    from collections.abc import Iterator

    from system.suite import Suite

pytestmark = pytest.mark.system

ASK = {"messages": [{"role": "user", "content": "What is the capital of France?"}], "strategy": "single"}
TOO_MUCH = "the service has too much to do right now; retry"


@pytest.fixture(scope="module")
def own_upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture(scope="module")
def small(own_upstream: Upstream) -> Iterator[Suite]:
    """A suite with room for little, and with one provider, so that nothing is hedged."""
    openai = {name: value for name, value in own_upstream.environment.items() if "OPENAI" in name}
    with serving({**openai, "OPENPRYSM_EXECUTOR_QUEUE": "1", "OPENPRYSM_EXECUTOR_IN_FLIGHT": "40"}) as running:
        yield running


async def ask(suite: Suite, client: aiohttp.ClientSession) -> tuple[int, Any]:
    """Ask once; a refusal is checked to the byte."""
    async with client.post(f"{suite.url}/v2/orchestrate", json=ASK, headers=suite.headers) as got:
        body = await got.read()
        if got.status != 200:
            identity = got.headers["x-request-id"]
            assert (got.status, got.headers.get("retry-after")) == (503, "1"), body
            assert body.decode() == (
                f'{{"detail":{{"error":"overloaded","message":"{TOO_MUCH}","request_id":"{identity}"}}}}'
            )
        return got.status, json.loads(body)


async def until_served(suite: Suite, client: aiohttp.ClientSession) -> None:
    """Ask until twenty requests in a row are served."""
    async with asyncio.timeout(20):
        row = 0
        while row < 20:
            row = row + 1 if (await ask(suite, client))[0] == 200 else 0


async def test_a_burst_is_answered_or_refused_and_a_refusal_asks_no_model(small: Suite, own_upstream: Upstream) -> None:
    own_upstream.reset()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        statuses: list[int] = []
        async with asyncio.timeout(20):
            while 503 not in statuses:
                statuses += [status for status, _ in await asyncio.gather(*(ask(small, client) for _ in range(100)))]
        assert set(statuses) == {200, 503}
        assert len(own_upstream.calls) == statuses.count(200)
        await until_served(small, client)


async def test_so_many_run_and_no_more(small: Suite, own_upstream: Upstream) -> None:
    own_upstream.reset()
    own_upstream.scripts["*"] = [hangs()]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        running = await _fill(small, own_upstream, client)
        assert (await ask(small, client))[0] == 503
        assert len(own_upstream.calls) == 40
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        own_upstream.scripts["*"] = [says("Paris.")]
        await until_served(small, client)


async def _fill(suite: Suite, upstream: Upstream, client: aiohttp.ClientSession) -> list[asyncio.Task[Any]]:
    """Have forty requests wait for a model, one after another, since two at once would be too many to begin."""
    running: list[asyncio.Task[Any]] = []
    while len(upstream.calls) < 40:
        before = len(upstream.calls)
        task = asyncio.create_task(ask(suite, client))
        await asyncio.to_thread(wait_until, lambda count=before, one=task: len(upstream.calls) > count or one.done())
        if not task.done():
            running.append(task)
    return running
