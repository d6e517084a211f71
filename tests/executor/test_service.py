"""ExecutorService and OrchestrationService over real gRPC, in front of scripted models."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from chassis.errors import from_rpc
from chassis.identity import Keys, create_key
from chassis.interceptors import RpcInterceptor
from chassis.metrics import table
from chassis.metrics.meter import Meter
from executor.idempotency import Once
from executor.orchestrate import Chance, Offer, Orchestrator
from executor.outbox import Outbox
from executor.peers import PlannerPeer, ProofPeer, SlotsPeer
from executor.recovery import Recovery
from executor.service import PROTECTED, ExecutorServicer, OrchestrationServicer
from executor.strategies import STRATEGIES
from openprysm.executor.v1 import executor_pb2, executor_pb2_grpc
from openprysm.orchestration.v2 import orchestration_pb2 as pb
from openprysm.orchestration.v2 import orchestration_pb2_grpc
from openprysm.planner.v1 import planner_pb2

from .test_metering import counted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from executor.conftest import Lab, Script, World
    from executor.plan import Plan

#: Seconds in which anything here has happened, or never will.
PATIENCE_S = 20.0
PEPPER = b"p" * 32


class Service:
    """The executor's services behind one socket, and no planner behind them."""

    def __init__(self, world: World, channel: grpc.aio.Channel, key: str, meter: Meter) -> None:
        self.world = world
        self.meter = meter
        self.authorization = ("authorization", f"Bearer {key}")
        self.execute = executor_pb2_grpc.ExecutorServiceStub(channel).Execute
        self.orchestrate = orchestration_pb2_grpc.OrchestrationServiceStub(channel).Orchestrate

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0.005)


@pytest.fixture
async def service(lab: Lab, tmp_path: Path) -> AsyncIterator[Service]:
    script: Script = {
        "a": [lab.says("Paris")],
        "b": [lab.says("Paris")],
        "h": [lab.hangs()],
        "r": [lab.fails("rejected")],
        "z": [lab.breaks(ZeroDivisionError("sk-canary"))],
        "x": [lab.says("They agree.\nFINAL ANSWER:\nParis")],
    }
    world = lab.world(script)
    edges = replace(world.edges, clock=time.monotonic)
    keys = Keys(tmp_path / "keys.json", PEPPER)
    server = grpc.aio.server(interceptors=[RpcInterceptor(world.spans, keys, PROTECTED)])
    nobody = grpc.aio.insecure_channel(f"unix:{tmp_path}/nobody.sock")
    offer = Offer((), ("a",), ())
    notary = Recovery(ProofPeer(nobody, "0"), Outbox(tmp_path, 0), world.edges.random)
    orchestrator = Orchestrator(PlannerPeer(nobody), notary, lambda: offer, edges, Chance(bytes, time.time))
    meter = Meter()
    executor_pb2_grpc.add_ExecutorServiceServicer_to_server(ExecutorServicer(edges, 60.0, meter), server)
    orchestration_pb2_grpc.add_OrchestrationServiceServicer_to_server(
        OrchestrationServicer(orchestrator, Once(SlotsPeer(nobody, bytes), time.monotonic, bytes), edges, 60.0), server
    )
    server.add_insecure_port(f"unix:{tmp_path}/executor.sock")
    await server.start()
    async with grpc.aio.insecure_channel(f"unix:{tmp_path}/executor.sock") as channel:
        yield Service(world, channel, create_key(tmp_path / "keys.json", PEPPER, "a"), meter)
    await nobody.close()
    await server.stop(None)


def request(plan: Plan, **fields: Any) -> executor_pb2.ExecuteRequest:
    def models(named: Any) -> list[planner_pb2.Model]:
        return [planner_pb2.Model(id=m.id, provider=m.provider, upstream_name=m.upstream, quality=0.5) for m in named]

    asked = executor_pb2.ExecuteRequest(
        plan=planner_pb2.Plan(
            policy=plan.policy,
            strategy=plan.strategy,
            k=plan.k,
            proposers=models(plan.proposers),
            synthesizers=models(plan.synthesizers),
            fallbacks=models(plan.fallbacks),
        ),
        **fields,
    )
    if not asked.messages:
        asked.messages.add(role="user").content.string_value = "What is the capital of France?"
    return asked


async def events_of(service: Service, asked: executor_pb2.ExecuteRequest, within_s: float = PATIENCE_S) -> list[Any]:
    return [event async for event in service.execute(asked, timeout=within_s)]


async def failure(
    service: Service, asked: executor_pb2.ExecuteRequest, within_s: float = PATIENCE_S
) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await events_of(service, asked, within_s)
    error = from_rpc(caught.value)
    return error.code.name, f"{error.reason}: {error.message}"


async def test_events_tell_each_stage_once_and_the_outcome_last(service: Service, lab: Lab) -> None:
    events = await events_of(service, request(lab.plan("ab", "x", strategy="ensemble_moa")))
    kinds = [event.WhichOneof("event") for event in events]
    assert kinds.count("stage_started") == kinds.count("stage_completed") == 3
    assert kinds[-1] == "outcome"
    assert kinds.count("outcome") == 1
    assert events[-1].outcome.choice.message.content == "Paris"
    assert events[-1].outcome.orchestration.calls == 3
    for index in range(3):
        seen = [kind for kind, event in zip(kinds, events, strict=True) if _index(event) == index]
        assert seen == ["stage_started", "stage_completed"]


def _index(event: Any) -> int | None:
    kind = event.WhichOneof("event")
    return getattr(event, kind).index if kind != "outcome" else None


@pytest.mark.parametrize(
    ("strategy", "proposers", "fields", "expected"),
    [
        ("single", "r", {}, ("UNAVAILABLE", "all_models_failed: every model call failed: 1 rejected")),
        ("ensemble_moa", "rr", {}, ("UNAVAILABLE", "all_models_failed: every model call failed: 2 rejected")),
        (
            "guess",
            "a",
            {},
            (
                "INVALID_ARGUMENT",
                f"invalid_request: plan.strategy: must be one of {', '.join(STRATEGIES)}",
            ),
        ),
        ("single", "", {}, ("INVALID_ARGUMENT", "invalid_request: plan.proposers: must not be empty")),
        (
            "single",
            "a",
            {"max_tokens": 0},
            ("INVALID_ARGUMENT", "invalid_request: max_tokens: must be between 1 and 32768"),
        ),
        ("single", "z", {}, ("INTERNAL", "orchestration_error: planning or executing failed")),
    ],
)
async def test_failures_are_typed(
    service: Service, lab: Lab, strategy: str, proposers: str, fields: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert await failure(service, request(lab.plan(proposers, strategy=strategy), **fields)) == expected


async def test_the_deadline_is_told_by_the_service_itself(service: Service, lab: Lab) -> None:
    code, message = await failure(service, request(lab.plan("h")), within_s=1.0)
    assert code == "DEADLINE_EXCEEDED"
    assert message == "deadline_exceeded: the request's deadline passed before there was an answer"
    assert service.world.provider.running == 0


async def test_a_client_that_leaves_cancels_every_call(service: Service, lab: Lab) -> None:
    call = service.execute(request(lab.plan("hhhh", "x", strategy="ensemble_moa")))
    await service.until(lambda: service.world.provider.running == 4)
    call.cancel()
    await service.until(lambda: service.world.provider.running == 0)


async def test_a_peer_that_is_down_is_not_named_to_the_caller(service: Service) -> None:
    asked = pb.OrchestrateRequest()
    asked.messages.add(role="user").content.string_value = "Hi"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.orchestrate(asked, metadata=(service.authorization,), timeout=PATIENCE_S)
    error = from_rpc(caught.value)
    assert (error.code.name, error.reason) == ("INTERNAL", "orchestration_error")
    assert "nobody.sock" not in str(caught.value.details())


async def test_what_cannot_be_claimed_is_our_failure_and_bad_keys_are_the_callers(service: Service) -> None:
    asked = pb.OrchestrateRequest(idempotency_key="x")
    asked.messages.add(role="user").content.string_value = "Hi"
    for header, code, message in (
        ("x", "INTERNAL", "planning or executing failed"),
        ("y", "INVALID_ARGUMENT", "Idempotency-Key and idempotency_key: must not differ"),
    ):
        metadata = (service.authorization, ("idempotency-key", header))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await service.orchestrate(asked, metadata=metadata, timeout=PATIENCE_S)
        error = from_rpc(caught.value)
        assert (error.code.name, error.message) == (code, message)
    assert not service.world.provider.asked


async def test_what_internal_callers_have_run_is_counted_too(service: Service, lab: Lab) -> None:
    await events_of(service, request(lab.plan("ab", "x", "", "ensemble_moa")))
    assert counted(service.meter, table.REQUESTS) == {("balanced", "ensemble_moa", "ok"): 1}
    assert sum(counted(service.meter, table.OPERATION_DURATION).values()) == 3
    await failure(service, request(lab.plan("r")))
    assert counted(service.meter, table.REQUESTS)["", "", "all_models_failed"] == 1
