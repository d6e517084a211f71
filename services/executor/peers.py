"""The planner and the proof service, as the executor calls them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import grpc

from chassis import client, errors, spans
from executor.idempotency import Claimed, ConflictError, InProgressError, Kept
from executor.orchestrate import Offer, Outcome, Request, Signed
from executor.recovery import RejectedError
from executor.wire import incoming, outgoing
from openprysm.planner.v1 import planner_pb2_grpc
from openprysm.proof.v2 import idempotency_pb2, idempotency_pb2_grpc, proof_pb2

if TYPE_CHECKING:
    from collections.abc import Callable

    from executor.plan import Plan
    from executor.transcript import Transcript

_CLAIM_BYTES: Final = 16
_NO_TRACE: Final = "0" * 32
_SIGN: Final = f"/{proof_pb2.DESCRIPTOR.services_by_name['ProofService'].full_name}/Sign"
#: What the proof service says of a record that it will refuse the next time, too.
_REJECTIONS: Final = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.ALREADY_EXISTS)


def trace_id() -> str:
    """Return the current trace's id, 32 hex digits."""
    span = spans.current()
    return span.trace_id if span is not None else _NO_TRACE


class PlannerPeer:
    """Plans over gRPC. Raises the planner's own ServiceErrors."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = planner_pb2_grpc.PlannerServiceStub(channel)

    async def plan(self, request: Request, offer: Offer, timeout_s: float) -> Plan:
        """Plan a request."""
        answer = await client.call(self._stub.Plan, outgoing.plan_request(request, offer), timeout_s)
        return incoming.read_plan(answer.plan)


class ProofPeer:
    """Signs over gRPC."""

    def __init__(self, channel: grpc.aio.Channel, software_version: str) -> None:
        # Sign, for records that are encoded already: once for the wire and for the outbox.
        self._sign: grpc.aio.UnaryUnaryMultiCallable[bytes, proof_pb2.SignResponse] = channel.unary_unary(
            _SIGN, response_deserializer=proof_pb2.SignResponse.FromString
        )
        self._software_version = software_version

    def record(self, request_id: str, created: int, outcome: Outcome, written: Transcript) -> bytes:
        """Return the record of a run as a SignRequest."""
        record = outgoing.sign_request(request_id, created, outcome, written, trace_id(), self._software_version)
        return record.SerializeToString(deterministic=True)

    async def sign(self, record: bytes, timeout_s: float) -> Signed:
        """Sign and store a record."""
        try:
            answer = await client.call(self._sign, record, timeout_s)
        except errors.ServiceError as error:
            if error.code in _REJECTIONS:
                raise RejectedError(error.message) from error
            raise
        signed = Signed(answer.proof_hash, answer.keyid, answer.bundle)
        if not answer.HasField("log_entry"):
            return signed
        logged = answer.log_entry
        return replace(signed, log_index=logged.log_index, tree_size=logged.tree_size, checkpoint=logged.checkpoint)


class SlotsPeer:
    """Keeps sealed responses over gRPC."""

    def __init__(self, channel: grpc.aio.Channel, token_bytes: Callable[[int], bytes]) -> None:
        """Make one; `token_bytes` returns that many random bytes."""
        self._stub = idempotency_pb2_grpc.IdempotencyServiceStub(channel)
        self._token_bytes = token_bytes

    async def claim(self, slot: bytes, body_digest: bytes, lease_s: float, timeout_s: float) -> Claimed | Kept:
        """Claim a slot. One that can't be claimed is never run without: that could spend twice."""
        claim = self._token_bytes(_CLAIM_BYTES)
        request = idempotency_pb2.ClaimRequest(slot=slot, body_digest=body_digest, lease_s=lease_s, claim=claim)
        try:
            answer = await client.call(self._stub.Claim, request, timeout_s)
        except errors.ServiceError as error:
            raise errors.internal() from error
        match answer.WhichOneof("outcome"):
            case "claim":
                return Claimed(answer.claim)
            case "sealed":
                return Kept(answer.sealed)
            case "in_progress_s":
                raise InProgressError(answer.in_progress_s)
            case "conflict":
                raise ConflictError
        raise errors.internal()

    async def complete(self, slot: bytes, claim: bytes, sealed: bytes, timeout_s: float) -> None:
        """Fill a claimed slot."""
        request = idempotency_pb2.CompleteRequest(slot=slot, claim=claim, sealed=sealed)
        await client.call(self._stub.Complete, request, timeout_s)

    async def release(self, slot: bytes, claim: bytes, timeout_s: float) -> None:
        """Give a claimed slot up."""
        await client.call(self._stub.Release, idempotency_pb2.ReleaseRequest(slot=slot, claim=claim), timeout_s)
