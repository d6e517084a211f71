"""Streams of a fake service, and how a client reads them."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp

from gateway.stack import KEY, PATIENCE_S
from openprysm.orchestration.v2 import orchestration_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.fakes import Context
    from gateway.stack import Stack

SSE = "text/event-stream"
STREAM = b'{"messages": [{"role": "user", "content": "hi"}], "stream": true}'


def events_of(body: bytes) -> list[Any]:
    """Read a whole stream: nothing but `data:` lines, each an object, each followed by an empty line."""
    *parts, rest = body.decode().split("\n\n")
    assert rest == ""
    assert all(part.startswith("data: ") and "\n" not in part for part in parts)
    return [json.loads(part.removeprefix("data: ")) for part in parts]


def event(kind: str, seq: int, **fields: Any) -> pb.StreamOrchestrateResponse:
    return pb.StreamOrchestrateResponse(type=kind, seq=seq, ts_ms=seq / 4, **fields)


async def of_each_type(_request: Any, _context: Context) -> AsyncIterator[Any]:
    stage = pb.Stage(name="answer", model="a", status="ok", depends_on=[0])
    yield event("plan", 0, plan=pb.PlanSummary(strategy="single", models=["a"]))
    yield event("stage.started", 1, stage=pb.Stage(name="answer", model="a", status="running"))
    yield event("stage.completed", 2, stage=stage)
    yield event("answer.delta", 3, delta='é 🦉\n\ndata: "x"\r\n')
    yield event("result", 4, result=result())


def result() -> pb.OrchestrateResponse:
    answer = pb.OrchestrateResponse(id="prysm-0", object="orchestration", created=1, choices=[pb.Choice()])
    stage: Any = {"depends_on": [0.5, None]}  # one key: objects have no order of their own
    answer.prysm.stages.extend([stage])
    answer.prysm.proof.bundle.update({"n": 1})
    return answer


@asynccontextmanager
async def reading(stack: Stack, body: bytes = STREAM, **headers: str) -> AsyncIterator[aiohttp.ClientResponse]:
    """Read a response bit by bit."""
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{stack.port}", timeout=aiohttp.ClientTimeout(PATIENCE_S)) as session,
        session.post("/v2/orchestrate", data=body, headers={"authorization": f"Bearer {KEY}", **headers}) as response,
    ):
        yield response
