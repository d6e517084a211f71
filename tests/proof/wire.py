"""SignRequests, as the executor sends them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openprysm.proof.v2 import proof_pb2

if TYPE_CHECKING:
    from proof.statement import Record


def sign_request(record: Record) -> proof_pb2.SignRequest:
    """Return the request for a record: the reverse of what the service reads."""
    given: dict[str, Any] = {
        name: getattr(record, name)
        for name in (
            *("request_id", "created", "policy", "strategy", "forced", "k", "agreement", "confidence"),
            *("confidence_source", "calibration_id", "aggregator", "transcript_sha256", "trace_id"),
            *("software_version", "cost_estimated"),
        )
    }
    return proof_pb2.SignRequest(
        calls=[proof_pb2.CallRecord(**vars(call)) for call in record.calls],
        degradations=[proof_pb2.DegradationRecord(**vars(item)) for item in record.degradations],
        compliance=proof_pb2.ComplianceRecord(**vars(record.compliance)) if record.compliance else None,
        **given,
    )
