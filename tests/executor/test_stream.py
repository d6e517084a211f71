"""StreamOrchestrate over real gRPC, in front of scripted models."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf import json_format
from structlog.testing import capture_logs

from chassis.errors import ServiceError, from_rpc
from chassis.interceptors import RpcInterceptor
from executor.admission import Admission
from executor.idempotency import Once
from executor.orchestrate import Chance, Offer
from executor.peers import SlotsPeer
from executor.service import OrchestrationServicer
from openprysm.orchestration.v2 import orchestration_pb2 as pb
from openprysm.orchestration.v2 import orchestration_pb2_grpc

from .public import PATIENCE_S, REQUEST_ID, Peers, Service, Talking, asked, failure, kinds, text_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from executor.conftest import Lab, Script
    from executor.edges import Observer

#: What no two runs have in common.
OF_ITS_OWN = {"id", "created", "start_ms", "duration_ms", "total_ms", "models_ms", "overhead_ms", "span_id", "trace_id",
              "nonce", "verify_url", "transcript"}  # fmt: skip


@pytest.fixture
async def service(lab: Lab, tmp_path: Path) -> AsyncIterator[Service]:
    script: Script = {
        "a": [lab.says("Paris is it.")],
        "b": [lab.says("Paris.")],
        "h": [lab.hangs()],
        "r": [lab.fails("rejected")],
        "z": [lab.breaks(ZeroDivisionError("sk-canary"))],
        "x": [lab.says("They agree.\nFINAL ANSWER:\nParis")],
    }
    world = lab.world(script)
    edges = replace(world.edges, clock=time.monotonic)
    peers = Peers(lab.plan("a"))
    orchestrator = Talking(peers, peers, lambda: made.offer, edges, Chance(bytes, lambda: 1e9))
    made = Service(world, peers, orchestrator)
    server = grpc.aio.server(interceptors=[RpcInterceptor(world.spans)])
    nobody = grpc.aio.insecure_channel(f"unix:{tmp_path}/nobody.sock")
    once = Once(SlotsPeer(nobody, bytes), time.monotonic, bytes)
    servicer = OrchestrationServicer(orchestrator, once, edges, 60.0, Admission(100))
    orchestration_pb2_grpc.add_OrchestrationServiceServicer_to_server(servicer, server)
    orchestration_pb2_grpc.add_OrchestrationStreamServiceServicer_to_server(servicer, server)
    server.add_insecure_port(f"unix:{tmp_path}/executor.sock")
    await server.start()
    # Else gRPC would take in some megabytes for a reader who reads nothing, the more the faster the socket.
    options = [("grpc.http2.bdp_probe", 0)]
    async with grpc.aio.insecure_channel(f"unix:{tmp_path}/executor.sock", options) as channel:
        made.orchestrate = orchestration_pb2_grpc.OrchestrationServiceStub(channel).Orchestrate
        made.stream = orchestration_pb2_grpc.OrchestrationStreamServiceStub(channel).StreamOrchestrate
        yield made
    await nobody.close()
    await server.stop(None)


def common(value: Any) -> Any:
    """Leave out what no two runs have in common."""
    if isinstance(value, dict):
        return {key: common(item) for key, item in value.items() if key not in OF_ITS_OWN}
    return [common(item) for item in value] if isinstance(value, list) else value


async def test_events_come_in_order_are_numbered_and_end_with_the_result(service: Service, lab: Lab) -> None:
    service.peers.plan_ = lab.plan("ab", "x", "f", strategy="ensemble_moa")
    events = await service.events()
    assert kinds(events)[0] == "plan"
    assert sorted(kinds(events)[1:5]) == ["stage.completed"] * 2 + ["stage.started"] * 2
    assert kinds(events)[5:] == ["stage.started", "stage.completed", "answer.delta", "result"]
    assert [event.seq for event in events] == list(range(len(events)))
    times = [event.ts_ms for event in events]
    assert times == sorted(times)
    assert times[0] >= 0
    assert (events[0].plan.strategy, list(events[0].plan.models)) == ("ensemble_moa", ["a", "b", "x"])
    started = [event.stage for event in events if event.type == "stage.started"]
    assert [(stage.index, stage.status) for stage in started] == [(0, "running"), (1, "running"), (2, "running")]
    payloads = {"plan": "plan", "stage.started": "stage", "stage.completed": "stage", "result": "result"}
    for event in events:
        present = {name.name for name, _ in event.ListFields()} - {"type", "seq", "ts_ms"}
        assert present == {payloads.get(event.type, "delta")}


async def test_the_result_is_what_the_unary_call_answers(service: Service, lab: Lab) -> None:
    service.peers.plan_ = lab.plan("ab", "x", strategy="ensemble_moa")
    result = (await service.events())[-1].result
    answer = await service.orchestrate(asked(), timeout=PATIENCE_S)
    streamed, unary = (
        json_format.MessageToDict(message, preserving_proto_field_name=True) for message in (result, answer)
    )
    assert common(streamed) == common(unary)
    assert result.prysm.proof.transcript
    assert list(result.prysm.proof.bundle) == ["n"]


async def test_over_grpc_the_method_decides_and_not_the_field(service: Service) -> None:
    assert (await service.orchestrate(asked(stream=True), timeout=PATIENCE_S)).choices[0].message.content
    assert kinds(await service.events(stream=False))[-1] == "result"


@pytest.mark.parametrize(
    "pieces", [[], ["Paris", " is", " it."], ["Paris"], [""], ["", "Paris is ", "", "it."], ["Paris is it."]], ids=repr
)
async def test_what_is_said_and_what_was_left_out_make_up_the_answer(service: Service, pieces: list[str]) -> None:
    async def talk(observer: Observer) -> None:
        for piece in pieces:
            observer.said(piece)

    service.orchestrator.talk = talk
    events = await service.events()
    assert text_of(events) == events[-1].result.choices[0].message.content == "Paris is it."
    assert all(event.delta for event in events if event.type == "answer.delta")


async def test_what_was_said_wrongly_is_not_said_again(service: Service) -> None:
    async def talk(observer: Observer) -> None:
        observer.said("Lyon canary")

    service.orchestrator.talk = talk
    with capture_logs() as logs:
        events = await service.events()
    assert (text_of(events), kinds(events)[-1]) == ("Lyon canary", "result")
    assert events[-1].result.choices[0].message.content == "Paris is it."
    assert "answer_is_not_what_was_said" in [line["event"] for line in logs]
    assert "canary" not in str(logs)


async def test_a_piece_arrives_while_the_rest_is_being_written(service: Service) -> None:
    heard = asyncio.Event()

    async def talk(observer: Observer) -> None:
        observer.said("Par")
        await heard.wait()
        observer.said("is is it.")

    service.orchestrator.talk = talk
    deltas = []
    async for event in service.call():
        if event.type == "answer.delta":
            deltas.append(event.delta)
            heard.set()
    assert deltas == ["Par", "is is it."]


async def test_a_slow_reader_gets_all_of_the_text_in_few_events(service: Service) -> None:
    pieces, done = [f"{number:>65536}" for number in range(48)], asyncio.Event()

    async def talk(observer: Observer) -> None:
        for piece in pieces:
            observer.said(piece)
            await asyncio.sleep(0)
        done.set()
        await asyncio.sleep(0.2)

    service.orchestrator.talk = talk
    call = service.call()
    await done.wait()
    events = [event async for event in call]
    assert text_of(events) == "".join(pieces)
    assert kinds(events).count("answer.delta") < len(pieces) / 4


async def test_what_is_wrong_before_the_first_event_is_a_status_alone(service: Service) -> None:
    service.peers.error = ServiceError(grpc.StatusCode.INVALID_ARGUMENT, "invalid_request", "strategy: no")
    events, error = await failure(service.call())
    assert (events, error.reason, error.message) == ([], "invalid_request", "strategy: no")
    service.offer = Offer((), (), ())
    events, error = await failure(service.call())
    assert (events, error.code.name, error.reason) == ([], "UNAVAILABLE", "no_provider_available")
    events, error = await failure(service.call(policy="cheap"))
    assert (events, error.reason) == ([], "invalid_request")
    events, error = await failure(service.stream(pb.OrchestrateRequest(), timeout=PATIENCE_S))
    assert (events, error.reason) == ([], "no_messages")


@pytest.mark.parametrize(("model", "reason"), [("r", "all_models_failed"), ("z", "orchestration_error")])
async def test_what_goes_wrong_later_is_an_event_that_says_what_the_unary_call_says(
    service: Service, lab: Lab, model: str, reason: str
) -> None:
    service.peers.plan_ = lab.plan(model)
    with capture_logs() as logs:
        events, error = await failure(service.call())
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.orchestrate(asked(), timeout=PATIENCE_S)
    unary = from_rpc(caught.value)
    assert kinds(events) == ["plan", "stage.started", "stage.completed", "error"]
    detail = events[-1].detail
    assert (detail.error, detail.message) == (unary.reason, unary.message) == (error.reason, error.message)
    assert (detail.error, detail.request_id) == (reason, REQUEST_ID)
    assert "canary" not in str(events)
    unexpected = [line for line in logs if line["event"] == "unexpected_exception"]
    assert len(unexpected) == (reason == "orchestration_error")


async def test_the_deadline_is_told_in_the_stream_before_it_passes(service: Service, lab: Lab) -> None:
    service.peers.plan_ = lab.plan("h")
    events, error = await failure(service.call(within_s=1.0))
    assert kinds(events)[-1] == "error"
    assert (events[-1].detail.error, error.reason) == ("deadline_exceeded", "deadline_exceeded")
    assert service.world.provider.running == 0


async def test_a_reader_that_leaves_cancels_every_call_within_a_second(service: Service, lab: Lab) -> None:
    service.peers.plan_ = lab.plan("hhhh", "x", strategy="ensemble_moa")
    call = service.call()
    await call.read()
    await service.until(lambda: service.world.provider.running == 4)
    call.cancel()
    left = time.monotonic()
    await service.until(lambda: service.world.provider.running == 0)
    assert time.monotonic() - left < 1


async def test_a_reader_that_leaves_without_having_read_cancels_too(service: Service, lab: Lab) -> None:
    service.peers.plan_ = lab.plan("h")
    call = service.call()
    await service.until(lambda: service.world.provider.running == 1)
    call.cancel()
    await service.until(lambda: service.world.provider.running == 0)


async def test_streams_at_once_do_not_mix(service: Service) -> None:
    both = asyncio.Barrier(2)

    async def talk(observer: Observer) -> None:
        for piece in ("Paris", " is", " it."):
            await both.wait()
            observer.said(piece)

    service.orchestrator.talk = talk
    for events in await asyncio.gather(service.events(), service.events()):
        assert text_of(events) == "Paris is it."
        assert [event.seq for event in events] == list(range(len(events)))
        assert kinds(events).count("result") == kinds(events).count("plan") == 1
