"""The executor's public face behind one socket: a planner and a notary that do as they are told, scripted talk."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc

from chassis.errors import ServiceError, from_rpc
from executor.edges import Observer, Silent
from executor.orchestrate import Offer, Orchestrator, Request, Result, Signed
from openprysm.orchestration.v2 import orchestration_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from executor.conftest import World
    from executor.plan import Plan
    from executor.stages import Stage

#: Seconds in which anything here has happened, or never will.
PATIENCE_S = 20.0
REQUEST_ID = "0f3c"


class Deaf(Silent):
    """An observer that hears of plan and stages alone: what is said is up to the test."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def planned(self, plan: Plan) -> None:
        self._observer.planned(plan)

    def started(self, stage: Stage) -> None:
        self._observer.started(stage)

    def completed(self, stage: Stage) -> None:
        self._observer.completed(stage)


@dataclass
class Peers:
    """Planner and notary."""

    plan_: Plan
    error: Exception | None = None

    async def plan(self, *_: Any) -> Plan:
        if self.error:
            raise self.error
        return self.plan_

    async def sign(self, *_: Any) -> Signed:
        return Signed("sha256:" + "0" * 64, "SHA256:key", b'{"n": 1}')


class Talking(Orchestrator):
    """The real life of a request; before it is over, `talk` says what it will."""

    talk: Callable[[Observer], Awaitable[None]] | None = None

    async def orchestrate(self, request: Request, deadline: float, observer: Observer | None = None) -> Result:
        result = await super().orchestrate(request, deadline, Deaf(observer) if observer else None)
        if observer and self.talk:
            await self.talk(observer)
        return result


@dataclass
class Service:
    """The public face behind one socket."""

    world: World
    peers: Peers
    orchestrator: Talking
    offer: Offer = field(default_factory=lambda: Offer(("fake",), (), ()))
    orchestrate: Any = None
    stream: Any = None

    async def events(self, **fields: Any) -> list[pb.StreamOrchestrateResponse]:
        return [event async for event in self.call(**fields)]

    def call(self, within_s: float = PATIENCE_S, **fields: Any) -> Any:
        return self.stream(asked(**fields), timeout=within_s, metadata=(("x-request-id", REQUEST_ID),))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0.005)


def asked(**fields: Any) -> pb.OrchestrateRequest:
    request = pb.OrchestrateRequest(**fields)
    request.messages.add(role="user").content.string_value = "What is the capital of France?"
    return request


def kinds(events: list[pb.StreamOrchestrateResponse]) -> list[str]:
    return [event.type for event in events]


def text_of(events: list[pb.StreamOrchestrateResponse]) -> str:
    return "".join(event.delta for event in events)


async def failure(call: Any) -> tuple[list[pb.StreamOrchestrateResponse], ServiceError]:
    """Read a stream that fails: its events, and the status at its end."""
    events = []
    try:
        async for event in call:
            events.append(event)  # noqa: PERF401 - they are wanted although it fails
    except grpc.aio.AioRpcError as error:
        return events, from_rpc(error)
    raise AssertionError(events)
