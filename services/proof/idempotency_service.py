"""IdempotencyService on the wire."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import grpc

from chassis import errors
from chassis.metrics.meter import Uncounted
from chassis.metrics.table import IDEMPOTENCY
from openprysm.proof.v2 import idempotency_pb2 as pb
from openprysm.proof.v2 import idempotency_pb2_grpc
from proof.idempotency import (
    CLAIM_BYTES,
    DIGEST_BYTES,
    MAX_LEASE_S,
    MAX_SEALED_BYTES,
    SLOT_BYTES,
    Claimed,
    Conflict,
    DeadClaimError,
    InProgress,
    Kept,
)
from proof.service import unavailable
from proof.storage import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from chassis.metrics.meter import Recorder
    from proof.idempotency import Slots

    Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]

T = TypeVar("T")

SERVICE = pb.DESCRIPTOR.services_by_name["IdempotencyService"].full_name
#: What a claim led to, as metrics name it.
_NAMES: Final = {Claimed: "claimed", Kept: "kept", InProgress: "in_progress", Conflict: "conflict"}


def _exactly(field: str, value: bytes, length: int) -> bytes:
    if len(value) != length:
        raise errors.invalid_request(field, f"must be {length} bytes")
    return value


def _lease(seconds: float) -> float:
    if not (math.isfinite(seconds) and 0 < seconds <= MAX_LEASE_S):
        raise errors.invalid_request("lease_s", f"must be greater than 0 and at most {MAX_LEASE_S:g}")
    return seconds


def _sealed(value: bytes) -> bytes:
    if not 0 < len(value) <= MAX_SEALED_BYTES:
        raise errors.invalid_request("sealed", f"must be 1 to {MAX_SEALED_BYTES} bytes")
    return value


async def _reached(work: Awaitable[T]) -> T:
    try:
        return await work
    except UnavailableError as error:
        raise unavailable() from error


class IdempotencyServicer(idempotency_pb2_grpc.IdempotencyServiceServicer):
    """Claim, Complete, Release, for the executor."""

    def __init__(self, slots: Slots, meter: Recorder | None = None) -> None:
        self._slots = slots
        self._meter = meter or Uncounted()

    async def Claim(self, request: pb.ClaimRequest, context: Context) -> pb.ClaimResponse:  # noqa: ARG002, N802
        """Claim a slot, or tell what is in it."""
        outcome = await _reached(
            self._slots.claim(
                _exactly("slot", request.slot, SLOT_BYTES),
                _exactly("body_digest", request.body_digest, DIGEST_BYTES),
                _exactly("claim", request.claim, CLAIM_BYTES),
                _lease(request.lease_s),
            )
        )
        self._meter.add(IDEMPOTENCY, 1, _NAMES[type(outcome)])
        match outcome:
            case Claimed(claim):
                return pb.ClaimResponse(claim=claim)
            case Kept(sealed):
                return pb.ClaimResponse(sealed=sealed)
            case InProgress(seconds):
                return pb.ClaimResponse(in_progress_s=seconds)
        return pb.ClaimResponse(conflict=True)

    async def Complete(self, request: pb.CompleteRequest, context: Context) -> pb.CompleteResponse:  # noqa: ARG002, N802
        """Fill a claimed slot, durably."""
        try:
            await _reached(
                self._slots.complete(
                    _exactly("slot", request.slot, SLOT_BYTES),
                    _exactly("claim", request.claim, CLAIM_BYTES),
                    _sealed(request.sealed),
                )
            )
        except DeadClaimError as error:
            raise errors.ServiceError(
                grpc.StatusCode.FAILED_PRECONDITION, "invalid_request", "claim: is not alive any more"
            ) from error
        return pb.CompleteResponse()

    async def Release(self, request: pb.ReleaseRequest, context: Context) -> pb.ReleaseResponse:  # noqa: ARG002, N802
        """Give a claimed slot up."""
        await _reached(
            self._slots.release(
                _exactly("slot", request.slot, SLOT_BYTES), _exactly("claim", request.claim, CLAIM_BYTES)
            )
        )
        return pb.ReleaseResponse()
