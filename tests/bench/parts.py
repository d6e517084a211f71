"""What is measured, a function a part: each yields figures as they come, one JSON object each."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from bench import load
from bench.fake import Fake
from bench.meters import Cpu, quantiles, resident_mb
from bench.rig import SERVICES, Rig, call_of_a_peer, rig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from bench.load import Reply

Figures = dict[str, Any]

CONNECTIONS: Final = (1, 16, 64)
SHAPES: Final[dict[str, dict[str, Any]]] = {
    "single": {"strategy": "single"},
    "ensemble_moa k=3": {"strategy": "ensemble_moa", "k": 3},
    "cascade": {"strategy": "cascade"},
    "debate": {"strategy": "debate"},
}
_BLOCK_S: Final = 4.0
_WARM_UP_S: Final = 1.5
#: Of the peak, for what must not be near it.
_EASY: Final = 0.4


def _served(replies: Iterable[Reply]) -> list[Reply]:
    return [reply for reply in replies if reply.status == 200]


def _statuses(replies: Iterable[Reply]) -> dict[str, int]:
    return {str(status): count for status, count in Counter(reply.status for reply in replies).items()}


def _path_ms(body: bytes, latency_ms: float) -> float:
    """Return the critical path of the upstream's scripted latency.

    Calls whose starts are apart by less than half a call run at the same time. Without a latency nothing tells them
    apart, and the path is what the upstream takes for its own: nothing.
    """
    starts = sorted(stage["start_ms"] for stage in json.loads(body)["prysm"]["stages"])
    waves, last = 1, starts[0]
    for start in starts:
        if start - last > latency_ms / 2:
            waves, last = waves + 1, start
    return waves * latency_ms


def _added(replies: Sequence[Reply], latency_ms: float) -> dict[str, float]:
    return quantiles(reply.took_s * 1e3 - _path_ms(reply.body, latency_ms) for reply in replies)


async def _warm(a_rig: Rig) -> None:
    for fields in SHAPES.values():
        await load.closed(a_rig.url, a_rig.ask(**fields), 8, _WARM_UP_S / len(SHAPES))


async def _peak(a_rig: Rig, data: bytes) -> float:
    replies = await load.closed(a_rig.url, data, 64, _BLOCK_S)
    return len(_served(replies)) / _BLOCK_S


async def fake() -> AsyncIterator[Figures]:
    """The upstream alone, which must not be what limits the others."""
    with Fake() as upstream:
        url = f"http://127.0.0.1:{upstream.port}"
        data = call_of_a_peer(url)
        for connections in CONNECTIONS:
            cpu = Cpu({"fake": upstream.pid, "load": os.getpid()})
            replies = await load.closed(url, data, connections, 1.0)
            yield {
                "connections": connections,
                "per_s": len(replies),
                **quantiles(reply.took_s * 1e3 for reply in replies),
                "cpu_ms": cpu.per(len(replies)),
            }


async def strategies() -> AsyncIterator[Figures]:
    """Every shape: throughput, latency, CPU of a request by process.

    The upstream answers in thirty microseconds, so on one connection the wall clock is what the suite adds.
    """
    with Fake() as upstream, rig(upstream) as a_rig:
        await _warm(a_rig)
        for name, fields in SHAPES.items():
            data = a_rig.ask(**fields)
            for connections in CONNECTIONS:
                cpu = Cpu(a_rig.pids)
                began = time.perf_counter()
                replies = await load.closed(a_rig.url, data, connections, _BLOCK_S)
                seconds = time.perf_counter() - began
                served = _served(replies)
                yield {
                    "shape": name,
                    "calls": json.loads(served[-1].body)["prysm"]["orchestration"]["calls"],
                    "connections": connections,
                    "per_s": round(len(served) / seconds, 1),
                    **quantiles(reply.took_s * 1e3 for reply in served),
                    "cpu_ms": cpu.per(len(replies)),
                    "other": len(replies) - len(served),
                }
        yield {"resident_mb": {name: resident_mb(a_rig.pids[name]) for name in SERVICES}}


async def proposers() -> AsyncIterator[Figures]:
    """What one more proposer costs: CPU of all services, of five of them less two."""
    with Fake() as upstream, rig(upstream) as a_rig:
        await _warm(a_rig)
        spent: dict[int, list[float]] = {2: [], 5: []}
        for k in (2, 5, 2, 5, 2, 5):
            cpu = Cpu({name: a_rig.pids[name] for name in SERVICES})
            replies = await load.closed(a_rig.url, a_rig.ask(strategy="ensemble_moa", k=k), 16, _BLOCK_S / 2)
            spent[k].append(sum(cpu.per(len(replies)).values()))
        each = (statistics.median(spent[5]) - statistics.median(spent[2])) / 3
        yield {"cpu_ms_per_extra_proposer": round(each, 3), "cpu_ms": spent}


async def latency() -> AsyncIterator[Figures]:
    """Upstreams of 50 to 200 ms: what is left of the wall clock less the critical path, alone and at a steady rate."""
    with Fake() as upstream, rig(upstream) as a_rig:
        await _warm(a_rig)
        for name, fields in SHAPES.items():
            for latency_ms in (50, 100, 200):
                upstream.takes(latency_ms / 1e3)
                rate = 100 if name == "single" else 50
                done = await load.opened(a_rig.url, a_rig.ask(**fields), rate, _BLOCK_S / 2)
                served = _served(done.replies)
                yield {
                    "shape": name,
                    "latency_ms": latency_ms,
                    "rate": rate,
                    "path_ms": round(statistics.median(_path_ms(reply.body, latency_ms) for reply in served)),
                    **{f"added_{key}": value for key, value in _added(served, latency_ms).items()},
                    "sent_late_p99": quantiles(late * 1e3 for late in done.late_s)["p99"],
                    "other": len(done.replies) - len(served) + done.broken,
                }


async def flight() -> AsyncIterator[Figures]:
    """Five thousand requests in flight before an upstream that takes ten seconds."""
    with Fake() as upstream, rig(upstream) as a_rig:
        await _warm(a_rig)
        upstream.takes(10)
        before = resident_mb(a_rig.pids["executor"])
        most = before

        async def watch() -> None:
            nonlocal most
            while True:
                most = max(most, resident_mb(a_rig.pids["executor"]))
                await asyncio.sleep(0.1)

        watching = asyncio.create_task(watch())
        done = await load.opened(a_rig.url, a_rig.ask(strategy="single"), 520, 5_000 / 500, connections=5_200)
        watching.cancel()
        yield {
            "sent": len(done.replies) + done.broken,
            "most_at_once": done.most,
            "statuses": _statuses(done.replies),
            "broken": done.broken,
            **quantiles(reply.took_s * 1e3 - 1e4 for reply in _served(done.replies)),
            "executor_mb": {"before": before, "most": most},
            "kb_each": round((most - before) * 1024 / done.most, 1),
        }


async def overload() -> AsyncIterator[Figures]:
    """Five times what it can do, for eight seconds: goodput, how fast the rest is refused, and the recovery."""
    with Fake() as upstream, rig(upstream) as a_rig:
        await _warm(a_rig)
        data = a_rig.ask(strategy="single")
        peak = await _peak(a_rig, data)
        began = time.perf_counter()
        done = await load.opened(a_rig.url, data, 5 * peak, 8.0, connections=64)
        seconds = time.perf_counter() - began
        served = _served(done.replies)
        refused = [reply for reply in done.replies if reply.status == 503]
        yield {
            "peak_per_s": round(peak),
            "offered_per_s": round(5 * peak),
            "goodput": round(len(served) / seconds / peak, 3),
            "served": quantiles(reply.took_s * 1e3 for reply in served),
            "refused": quantiles(reply.took_s * 1e3 for reply in refused),
            "refused_in_gateway": _in_gateway(a_rig),
            "sent_late": quantiles(late * 1e3 for late in done.late_s),
            "statuses": _statuses(done.replies),
            "broken": done.broken,
        }
        ended = time.perf_counter()
        while True:
            since = time.perf_counter()
            after = await load.opened(a_rig.url, data, _EASY * peak, 0.5)
            if all(reply.status == 200 for reply in after.replies) or since - ended > 20:
                break
        yield {"recovered_after_s": round(since - ended, 2)}


def _in_gateway(a_rig: Rig) -> dict[str, float]:
    """Return how long refusals took by the gateway's access log: what the crowded generator adds is not in it."""
    log = (a_rig.suite.state / "logs" / "gateway.log").read_text().splitlines()
    return quantiles(line["duration_ms"] for line in map(json.loads, log) if line.get("status") == 503)


async def tracing() -> AsyncIterator[Figures]:
    """Throughput with and without tracing, in alternating blocks on two suites, of which one idles."""
    with Fake() as upstream, rig(upstream) as traced, rig(upstream, tracing=False) as bare:
        rates: dict[str, list[float]] = {"on": [], "off": []}
        for a_rig in (traced, bare):
            await _warm(a_rig)
        for _ in range(4):
            for key, a_rig in (("on", traced), ("off", bare)):
                replies = await load.closed(a_rig.url, a_rig.ask(strategy="single"), 32, _BLOCK_S / 2)
                rates[key].append(round(len(_served(replies)) / (_BLOCK_S / 2), 1))
        ratio = sum(rates["on"]) / sum(rates["off"])
        yield {"throughput_ratio": round(ratio, 3), "per_s": rates}


async def peer() -> AsyncIterator[Figures]:
    """Another server at `PEER`, OpenAI-compatible, which the operator has put before `make bench ARGS=upstream`."""
    url = os.environ.get("PEER", "")
    if not url:
        return
    data = call_of_a_peer(url)
    await load.closed(url, data, 8, _WARM_UP_S)
    for connections in CONNECTIONS:
        replies = await load.closed(url, data, connections, _BLOCK_S)
        yield {
            "connections": connections,
            "per_s": round(len(_served(replies)) / _BLOCK_S, 1),
            **quantiles(reply.took_s * 1e3 for reply in _served(replies)),
            "statuses": _statuses(replies),
        }
