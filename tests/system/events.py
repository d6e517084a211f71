"""A client of the stream: asks, reads, and checks what holds for every stream that was not cut."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from system.suite import Suite

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
#: What no two answers have in common: ids, times, and what a proof is made of.
OF_ITS_OWN = {"id", "created", "start_ms", "duration_ms", "total_ms", "models_ms", "overhead_ms", "span_id", "trace_id",
              "proof_hash", "log_index", "tree_size", "checkpoint", "nonce", "verify_url", "transcript",
              "bundle"}  # fmt: skip


@asynccontextmanager
async def streaming(
    suite: Suite, headers: dict[str, str] | None = None, **fields: Any
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Ask for a stream."""
    body = {"messages": QUESTION, "stream": True, **fields}
    async with (
        aiohttp.ClientSession() as client,
        client.post(f"{suite.url}/v2/orchestrate", json=body, headers={**suite.headers, **(headers or {})}) as got,
    ):
        yield got


def read(text: str) -> list[Any]:
    """Read a whole stream and check what holds for every one that was not cut."""
    *parts, rest = text.split("\n\n")
    assert rest == ""
    events = [json.loads(part.removeprefix("data: ")) for part in parts]
    assert [event["seq"] for event in events] == list(range(len(events)))
    times = [event["ts_ms"] for event in events]
    assert times == sorted(times)
    kinds = [event["type"] for event in events]
    assert kinds[0] == "plan" or "plan" not in kinds, "a replay has none"
    assert kinds.count("result") + kinds.count("error") == 1
    assert kinds[-1] in ("result", "error")
    if kinds[-1] == "result":
        said = "".join(event["delta"] for event in events if event["type"] == "answer.delta")
        assert said == events[-1]["result"]["choices"][0]["message"]["content"]
    return events


async def events_of(suite: Suite, headers: dict[str, str] | None = None, **fields: Any) -> list[Any]:
    async with streaming(suite, headers, **fields) as got:
        assert (got.status, got.content_type) == (200, "text/event-stream")
        assert got.headers["cache-control"] == "no-cache"
        return read(await got.text())


def common(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: common(item) for key, item in value.items() if key not in OF_ITS_OWN}
    return [common(item) for item in value] if isinstance(value, list) else value
