"""Contracts to domain records, and back."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from openprysm.proof.v2 import proof_pb2
from proof import statement

if TYPE_CHECKING:
    from proof.bundle import Bundle
    from proof.dsse import Envelope
    from proof.verify import Check


def record(request: proof_pb2.SignRequest) -> statement.Record:
    """Read the record that is to be signed."""

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


def proof_hash(envelope: Envelope) -> str:
    """Return the name of a proof: `sha256:` and the hash of its payload."""
    return "sha256:" + hashlib.sha256(envelope.payload).hexdigest()


def summary(proof: Bundle) -> proof_pb2.ProofEntry:
    """Return the statement in short."""
    envelope, place = proof.envelope, proof.entry
    said = json.loads(envelope.payload)["predicate"]
    succeeded = dict.fromkeys(call["model"] for call in said["calls"] if call["status"] == "ok")
    return proof_pb2.ProofEntry(
        proof_hash=proof_hash(envelope),
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
        log_index=place.index if place else None,
    )


def log_entry(proof: Bundle) -> proof_pb2.LogEntry | None:
    """Return a proof's place in the log."""
    place = proof.entry
    if place is None:
        return None
    return proof_pb2.LogEntry(log_index=place.index, tree_size=place.size, checkpoint=place.checkpoint)


def checks(made: list[Check]) -> list[proof_pb2.Check]:
    """Return the steps of a verification."""
    return [proof_pb2.Check(name=check.name, status=check.status, reason=check.why or None) for check in made]
