"""What the services cost: processor time and memory, as the kernel counts them."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aiohttp

from drill.crowd import CLIENTS
from drill.town import ORDER
from system.upstream import says

if TYPE_CHECKING:
    from collections.abc import Callable

    from drill.crowd import Crowd
    from drill.replica import Replica
    from drill.town import Town

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_REQUESTS: Final = 120
#: Requests that are under way at once when memory is looked at, and seconds that their models take.
_IN_FLIGHT: Final = 300
_HELD_S: Final = 4.0


def _fields(replica: Replica) -> list[str]:
    assert replica.child
    assert replica.child.process
    # Its name, in brackets, may hold spaces.
    return Path(f"/proc/{replica.child.process.pid}/stat").read_text().rpartition(")")[2].split()


def _cpu_s(replica: Replica) -> float:
    user, system = _fields(replica)[11:13]
    return (int(user) + int(system)) / _TICKS


def _bytes(replica: Replica) -> int:
    return int(_fields(replica)[21]) * _PAGE


def _sums(town: Town, figure: Callable[[Replica], float]) -> dict[str, float]:
    return {name: sum(map(figure, town.replicas[name])) for name in ORDER}


async def processor(town: Town, crowd: Crowd) -> str:
    """Return milliseconds of processor a request, by service, under the crowd's load."""
    before, asked = _sums(town, _cpu_s), len(crowd.told)
    await crowd.until(_REQUESTS)
    after, count = _sums(town, _cpu_s), len(crowd.told) - asked
    spent = {name: (after[name] - before[name]) * 1e3 / count for name in ORDER}
    each = ", ".join(f"{name} {milliseconds:.1f}" for name, milliseconds in spent.items())
    total = sum(spent.values())
    return f"{total:.1f} ms of processor a request: {each}; {1e3 / total:.0f} requests a second and core"


async def memory(town: Town, crowd: Crowd) -> str:
    """Return megabytes of each service, and kilobytes more for each request that is under way."""
    town.upstream.scripts["*"] = [says("The capital of France is Paris.", after_s=_HELD_S)]
    before = _sums(town, _bytes)
    body = {"messages": [{"role": "user", "content": "What is the capital of France?"}], "strategy": "single"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as client:

        async def ask(number: int) -> int:
            url, headers = town.urls[number % len(town.urls)], {"authorization": f"Bearer {crowd.key}"}
            async with client.post(f"{url}/v2/orchestrate", json=body, headers=headers) as response:
                await response.read()
                return response.status

        began = time.monotonic()
        asked = [asyncio.create_task(ask(number)) for number in range(_IN_FLIGHT)]
        await asyncio.sleep(_HELD_S / 2)
        held = _sums(town, _bytes)
        assert set(await asyncio.gather(*asked)) == {200}
        took = time.monotonic() - began
    town.light()
    await crowd.until(2 * CLIENTS)  # the clients' own slow requests are over
    counts = {name: len(town.replicas[name]) for name in ORDER}
    idle = ", ".join(f"{name} {before[name] / counts[name] / 2**20:.0f}" for name in ORDER)
    more = ", ".join(
        f"{name} {(held[name] - before[name]) / _IN_FLIGHT / 1024:.0f}" for name in ("executor", "gateway")
    )
    return f"MB a process: {idle}; KB more a request of {_IN_FLIGHT} under way: {more}; all answered in {took:.1f} s"
