"""ProofService on the wire."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
import structlog

from chassis import errors
from openprysm.proof.v2 import proof_pb2, proof_pb2_grpc
from proof import dsse, statement
from proof.notary import ConflictError, CorruptError

if TYPE_CHECKING:
    from chassis.telemetry import Spans
    from proof.notary import Notary

    Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]

SERVICE = proof_pb2.DESCRIPTOR.services_by_name["ProofService"].full_name
_VERSION = 2
_log = structlog.get_logger()


def _record(request: proof_pb2.SignRequest) -> statement.Record:
    def optional(field: str) -> Any:
        return getattr(request, field) if request.HasField(field) else None  # type: ignore[arg-type]

    return statement.Record(
        request_id=request.request_id,
        created=request.created,
        policy=request.policy,
        strategy=request.strategy,
        forced=request.forced,
        k=request.k,
        calls=tuple(
            statement.Call(
                stage=call.stage,
                model=call.model,
                provider=call.provider,
                status=call.status,
                attempt=call.attempt,
                input_digest=call.input_digest,
                output_digest=call.output_digest,
                prompt_tokens=call.prompt_tokens,
                completion_tokens=call.completion_tokens,
                cost_pico_usd=call.cost_pico_usd if call.HasField("cost_pico_usd") else None,
            )
            for call in request.calls
        ),
        agreement=optional("agreement"),
        confidence=request.confidence,
        confidence_source=request.confidence_source,
        calibration_id=optional("calibration_id"),
        aggregator=optional("aggregator"),
        degradations=tuple(statement.Degradation(item.stage, item.reason, item.model) for item in request.degradations),
        transcript_sha256=request.transcript_sha256,
        compliance=statement.Compliance(
            request.compliance.decision_sha256, request.compliance.attestation, request.compliance.matrix_version
        )
        if request.HasField("compliance")
        else None,
        trace_id=request.trace_id,
        software_version=request.software_version,
        cost_estimated=request.cost_estimated,
    )


def _proof_hash(envelope: dsse.Envelope) -> str:
    return "sha256:" + hashlib.sha256(envelope.payload).hexdigest()


def _data_loss(request_id: str) -> errors.ServiceError:
    _log.error("stored_proof_is_corrupt", request_id=request_id)
    return errors.ServiceError(grpc.StatusCode.DATA_LOSS, "orchestration_error", "the stored proof does not verify")


def _entry(envelope: dsse.Envelope) -> proof_pb2.ProofEntry:
    said = json.loads(envelope.payload)["predicate"]
    succeeded = dict.fromkeys(call["model"] for call in said["calls"] if call["status"] == "ok")
    return proof_pb2.ProofEntry(
        proof_hash=_proof_hash(envelope),
        keyid=envelope.keyid,
        created=said["created"],
        policy=said["policy"],
        strategy=said["strategy"],
        models=succeeded,
        calls=said["totals"]["calls"],
        agreement=float(said["agreement"]) if "agreement" in said else None,
        confidence=float(said["confidence"]),
        confidence_source=said["confidence_source"],
        cost_usd=int(said["totals"]["cost_micro_usd"]) / 1e6,
        degraded=bool(said["degradations"]),
    )


class ProofServicer(proof_pb2_grpc.ProofServiceServicer):
    """Sign for the executor, Get for everybody. The log's methods come with the log."""

    def __init__(self, notary: Notary, spans: Spans) -> None:
        self._notary = notary
        self._spans = spans

    async def Sign(self, request: proof_pb2.SignRequest, context: Context) -> proof_pb2.SignResponse:  # noqa: ARG002, N802
        """Sign, store, answer."""
        try:
            with self._spans.start("prysm.proof.commit", {}):
                envelope = await self._notary.sign(_record(request))
        except CorruptError as error:
            raise _data_loss(request.request_id) from error
        except statement.RecordError as error:
            raise errors.ServiceError(grpc.StatusCode.INVALID_ARGUMENT, "invalid_request", str(error)) from error
        except ConflictError as error:
            raise errors.ServiceError(
                grpc.StatusCode.ALREADY_EXISTS, "invalid_request", "request_id: another record is signed under it"
            ) from error
        return proof_pb2.SignResponse(
            proof_hash=_proof_hash(envelope), keyid=envelope.keyid, bundle=dsse.to_bundle(envelope)
        )

    async def Get(self, request: proof_pb2.GetRequest, context: Context) -> proof_pb2.GetResponse:  # noqa: ARG002, N802
        """Look a proof up, check it, show it."""
        try:
            envelope = self._notary.get(request.id)
        except CorruptError as error:
            raise _data_loss(request.id) from error
        if envelope is None:
            raise errors.ServiceError(grpc.StatusCode.NOT_FOUND, "proof_not_found", "no proof has this id")
        response = proof_pb2.GetResponse(verified=True, request_id=request.id, version=_VERSION, entry=_entry(envelope))
        response.proof.update(json.loads(dsse.to_bundle(envelope)))
        return response
