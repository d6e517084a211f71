"""What a failing proof service does to a request, over real gRPC on both sides of the executor."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from chassis import client
from chassis.config import Settings
from chassis.errors import ServiceError, from_rpc
from chassis.identity import Keys, create_key
from chassis.interceptors import RpcInterceptor
from executor.idempotency import Once
from executor.orchestrate import Chance, Offer, Orchestrator
from executor.outbox import Outbox
from executor.peers import ProofPeer, SlotsPeer
from executor.recovery import Recovery
from executor.service import PROTECTED, OrchestrationServicer
from openprysm.orchestration.v2 import orchestration_pb2 as pb
from openprysm.orchestration.v2 import orchestration_pb2_grpc
from openprysm.proof.v2 import idempotency_pb2, idempotency_pb2_grpc, proof_pb2, proof_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from executor.conftest import Lab
    from executor.plan import Plan

PATIENCE_S = 20.0
PEPPER = b"p" * 32
PROMISE = re.compile(
    r"the run could not be signed, so its answer is not returned; its proof will be at /v1/proof/(prysm-[0-9a-f]{32})"
)
NO_PROMISE = "the run could not be signed, so its answer is not returned"


@dataclass
class Proofs(proof_pb2_grpc.ProofServiceServicer, idempotency_pb2_grpc.IdempotencyServiceServicer):
    """A proof service that fails as it is told; it keeps one slot's response, and counts claims and releases."""

    failing: Callable[[], Awaitable[None]] | None = None
    asked: list[proof_pb2.SignRequest] = field(default_factory=list)
    signed: list[proof_pb2.SignRequest] = field(default_factory=list)
    cancelled: int = 0
    claims: int = 0
    releases: int = 0
    kept: bytes = b""

    async def Sign(self, request: proof_pb2.SignRequest, context: Any) -> proof_pb2.SignResponse:  # noqa: ARG002, N802
        self.asked.append(request)
        try:
            if self.failing is not None:
                await self.failing()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.signed.append(request)
        return proof_pb2.SignResponse(proof_hash="sha256:" + "0" * 64, keyid="SHA256:key", bundle=b"{}")

    async def Claim(self, request: Any, context: Any) -> idempotency_pb2.ClaimResponse:  # noqa: ARG002, N802
        self.claims += 1
        if self.kept:
            return idempotency_pb2.ClaimResponse(sealed=self.kept)
        return idempotency_pb2.ClaimResponse(claim=request.claim)

    async def Complete(self, request: Any, context: Any) -> idempotency_pb2.CompleteResponse:  # noqa: ARG002, N802
        self.kept = request.sealed
        return idempotency_pb2.CompleteResponse()

    async def Release(self, request: Any, context: Any) -> idempotency_pb2.ReleaseResponse:  # noqa: ARG002, N802
        self.releases += 1
        return idempotency_pb2.ReleaseResponse()


class Planning:
    """Always the same plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    async def plan(self, *_: object) -> Plan:
        return self._plan


@dataclass
class Front:
    """An executor in front of it."""

    proofs: Proofs
    channel: grpc.aio.Channel
    outbox: Outbox
    folder: Path
    authorization: tuple[str, str]
    #: Requests to the one model.
    asked: list[Any]

    def request(self, key: str = "") -> pb.OrchestrateRequest:
        request = pb.OrchestrateRequest(idempotency_key=key)
        request.messages.add(role="user").content.string_value = "canary-prompt: the capital of France?"
        return request

    async def unary(self, key: str = "", within_s: float = PATIENCE_S) -> pb.OrchestrateResponse:
        stub = orchestration_pb2_grpc.OrchestrationServiceStub(self.channel)
        return await stub.Orchestrate(self.request(key), metadata=(self.authorization,), timeout=within_s)

    async def stream(self, events: list[Any]) -> None:
        stub = orchestration_pb2_grpc.OrchestrationStreamServiceStub(self.channel)
        call = stub.StreamOrchestrate(self.request(), metadata=(self.authorization,), timeout=PATIENCE_S)
        async for event in call:
            events.append(event)  # noqa: PERF401 - those before a failure count, too

    async def failure(self, key: str = "", within_s: float = PATIENCE_S) -> ServiceError:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.unary(key, within_s)
        return from_rpc(caught.value)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0.005)


@pytest.fixture
async def front(lab: Lab, tmp_path: Path) -> AsyncIterator[Front]:
    world = lab.world({"a": [lab.says("canary-answer: Paris")]})
    edges = replace(world.edges, clock=time.monotonic)
    proofs = Proofs()  # type: ignore[abstract] # nobody calls the rest
    behind = grpc.aio.server(interceptors=[RpcInterceptor(world.spans)])
    proof_pb2_grpc.add_ProofServiceServicer_to_server(proofs, behind)
    idempotency_pb2_grpc.add_IdempotencyServiceServicer_to_server(proofs, behind)
    behind.add_insecure_port(f"unix:{tmp_path}/proof.sock")
    await behind.start()
    folder = tmp_path / "outbox"
    folder.mkdir()
    outbox = Outbox(folder, 1 << 20)
    server = grpc.aio.server(interceptors=[RpcInterceptor(world.spans, Keys(tmp_path / "keys", PEPPER), PROTECTED)])
    key = create_key(tmp_path / "keys", PEPPER, "a")
    numbers = iter(range(1, 1 << 20))
    chance = Chance(lambda size: next(numbers).to_bytes(size, "big"), time.time)
    async with (
        client.channel(f"unix:{tmp_path}/proof.sock", Settings()) as to_proofs,
        Recovery(ProofPeer(to_proofs, "0"), outbox, Random(0)) as notary,  # noqa: S311 - a test's dice
        Once(SlotsPeer(to_proofs, chance.token_bytes), time.monotonic, chance.token_bytes) as once,
    ):
        orchestrator = Orchestrator(Planning(lab.plan()), notary, lambda: Offer((), ("a",), ()), edges, chance)
        servicer = OrchestrationServicer(orchestrator, once, edges, 60.0)
        orchestration_pb2_grpc.add_OrchestrationServiceServicer_to_server(servicer, server)
        orchestration_pb2_grpc.add_OrchestrationStreamServiceServicer_to_server(servicer, server)
        server.add_insecure_port(f"unix:{tmp_path}/executor.sock")
        await server.start()
        async with grpc.aio.insecure_channel(f"unix:{tmp_path}/executor.sock") as channel:
            authorization = ("authorization", f"Bearer {key}")
            yield Front(proofs, channel, outbox, folder, authorization, world.provider.asked)
        proofs.failing = None
        await server.stop(None)
    await behind.stop(None)


def refusing(code: str, reason: str = "orchestration_error") -> Callable[[], Awaitable[None]]:
    async def fail() -> None:
        raise ServiceError(getattr(grpc.StatusCode, code), reason, "in words of the proof service")

    return fail


async def breaking() -> None:
    raise ZeroDivisionError("canary-text")


async def hanging() -> None:
    await asyncio.Event().wait()


def waiting_for(event: asyncio.Event) -> Callable[[], Awaitable[None]]:
    async def wait() -> None:
        await event.wait()

    return wait


@pytest.mark.parametrize(
    "failing",
    [
        refusing("FAILED_PRECONDITION"),
        refusing("DATA_LOSS"),
        refusing("INTERNAL"),
        refusing("UNAVAILABLE", "overloaded"),
        refusing("RESOURCE_EXHAUSTED", "overloaded"),
        refusing("DEADLINE_EXCEEDED", "deadline_exceeded"),
        breaking,
    ],
    ids=["refuses", "has lost data", "fails", "is away", "has too much to do", "is slow", "breaks"],
)
async def test_however_signing_fails_the_client_gets_one_error_and_the_name_of_the_proof_that_comes(
    front: Front, failing: Callable[[], Awaitable[None]]
) -> None:
    front.proofs.failing = failing
    error = await front.failure()
    assert (error.code, error.reason) == (grpc.StatusCode.INTERNAL, "orchestration_error")
    promise = PROMISE.fullmatch(error.message)
    assert promise, error.message
    assert (front.folder / promise[1]).exists()
    front.proofs.failing = None
    await front.until(lambda: front.outbox.next() is None)
    (signed,) = front.proofs.signed
    assert signed.request_id == promise[1]
    assert signed == front.proofs.asked[0]  # not a bit of it has changed while it waited
    assert len(front.asked) == 1


async def test_a_proof_service_that_does_not_answer_is_no_deadline_of_the_clients(front: Front) -> None:
    front.proofs.failing = hanging
    error = await front.failure(within_s=2.0)
    assert error.reason == "orchestration_error"
    promise = PROMISE.fullmatch(error.message)
    assert promise
    front.proofs.failing = None


@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "ALREADY_EXISTS"])
async def test_a_record_that_is_rejected_is_the_suites_fault_promised_to_nobody_and_set_aside(
    front: Front, code: str
) -> None:
    front.proofs.failing = refusing(code, "invalid_request")
    error = await front.failure()
    assert (error.code, error.reason) == (grpc.StatusCode.INTERNAL, "orchestration_error")
    assert error.message == NO_PROMISE
    await front.until(lambda: front.outbox.backlog().aside == 1)
    asked = len(front.proofs.asked)
    front.proofs.failing = None
    assert (await front.unary()).prysm.proof.keyid == "SHA256:key"
    assert len(front.proofs.asked) == asked + 1  # the rejected one is not among them


async def test_in_a_stream_the_error_is_the_last_event_and_names_the_proof(front: Front) -> None:
    front.proofs.failing = refusing("FAILED_PRECONDITION")
    events: list[Any] = []
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await front.stream(events)
    assert [event.type for event in events][-1] == "error"
    assert not any(event.HasField("result") for event in events)
    assert "".join(event.delta for event in events) == "canary-answer: Paris"
    assert events[-1].detail.error == from_rpc(caught.value).reason == "orchestration_error"
    promise = PROMISE.fullmatch(events[-1].detail.message)
    assert promise
    assert (front.folder / promise[1]).exists()


@pytest.mark.parametrize("key", ["", "left"])
async def test_a_client_that_leaves_while_its_run_is_signed_loses_no_record_of_it(front: Front, key: str) -> None:
    goes_on = asyncio.Event()
    front.proofs.failing = waiting_for(goes_on)
    asking = asyncio.create_task(front.unary(key))
    await front.until(lambda: bool(front.proofs.asked))
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await front.until(lambda: front.proofs.cancelled > 0 and front.outbox.next() is not None)
    await front.until(lambda: front.proofs.releases == bool(key))
    goes_on.set()
    await front.until(lambda: front.outbox.next() is None)
    assert front.proofs.signed == front.proofs.asked[:1]


async def test_the_key_of_a_run_that_was_not_signed_is_free_and_runs_again_and_both_are_proven(front: Front) -> None:
    front.proofs.failing = refusing("FAILED_PRECONDITION")
    promise = PROMISE.fullmatch((await front.failure("twice")).message)
    assert promise
    assert (front.proofs.claims, front.proofs.releases, front.proofs.kept) == (1, 1, b"")
    front.proofs.failing = None
    again = await front.unary("twice")
    assert again.id != promise[1]
    assert len(front.asked) == 2
    await front.until(lambda: front.outbox.next() is None)
    assert {record.request_id for record in front.proofs.signed} == {promise[1], again.id}
    replayed = await front.unary("twice")
    assert replayed == again
    assert len(front.asked) == 2


async def test_a_proof_that_is_in_no_log_is_not_said_to_be_its_first_entry(front: Front) -> None:
    proof = (await front.unary()).prysm.proof
    assert proof.proof_hash
    assert not any(proof.HasField(field) for field in ("log_index", "tree_size", "checkpoint"))


async def test_what_waits_holds_no_text_no_key_and_no_nonce(front: Front) -> None:
    front.proofs.failing = refusing("FAILED_PRECONDITION")
    for key in ("", "canary-idempotency-key"):
        await front.failure(key)
    files = list(front.folder.iterdir())
    assert len(files) == 2
    secret = front.authorization[1].split("_", 3)[3].encode()  # it may hold an underscore
    nonces = [number.to_bytes(32, "big") for number in range(1, 20)]  # all that chance has given away so far
    for file in files:
        content = file.read_bytes()
        for canary in (b"canary", b"Paris", b"France", secret, *nonces, *(nonce.hex().encode() for nonce in nonces)):
            assert canary not in content
