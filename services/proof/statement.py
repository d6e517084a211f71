"""The in-toto Statement that a proof signs.

Source: in-toto Statement v1, RFC 8785 (canonical JSON). Numbers are integers below 2^53 or decimal strings, so that
every reader sees the same bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from chassis import canonical
from proof import merkle

_Object: TypeAlias = dict[str, Any]

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://openprysm.dev/proof/v2"
SUBJECT: Final = "transcript.json"

REQUEST_ID: Final = re.compile(r"prysm-[0-9a-f]{32}")
_DIGEST_BYTES: Final = 32
_MAX_CALLS: Final = 16
_MAX_DEGRADATIONS: Final = 64
_MAX_K: Final = 8
_MAX_TEXT: Final = 256
#: Characters that have no UTF-8 form.
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
#: The largest integer that every JSON reader reads exactly.
_MAX_INTEGER: Final = 2**53 - 1
_PICO_PER_MICRO: Final = 10**6
_STATUSES: Final = frozenset({"ok", "failed", "cancelled"})


class RecordError(ValueError):
    """A record that must not be signed; the text names the field and what is allowed."""


@dataclass(frozen=True)
class Call:
    """One attempt at one model call."""

    stage: str
    model: str
    provider: str
    #: `ok`, `failed` or `cancelled`.
    status: str
    attempt: int
    #: Salted SHA-256, 32 bytes.
    input_digest: bytes
    #: Salted SHA-256, 32 bytes; empty when there was no output.
    output_digest: bytes
    prompt_tokens: int
    completion_tokens: int
    #: 1e-12 USD; None when the price is not known.
    cost_pico_usd: int | None


@dataclass(frozen=True)
class Degradation:
    """One thing that did not go as planned."""

    stage: str
    reason: str
    model: str


@dataclass(frozen=True)
class Compliance:
    """The decision that bound the run."""

    decision_sha256: bytes
    attestation: str
    matrix_version: str


@dataclass(frozen=True)
class Record:
    """All that a proof says of one orchestration. It holds no text of prompt or answer."""

    request_id: str
    #: Unix seconds.
    created: int
    policy: str
    strategy: str
    forced: bool
    k: int
    calls: tuple[Call, ...]
    agreement: float | None
    confidence: float
    confidence_source: str
    calibration_id: str | None
    aggregator: str | None
    degradations: tuple[Degradation, ...]
    transcript_sha256: bytes
    compliance: Compliance | None
    trace_id: str
    software_version: str
    cost_estimated: bool


def _require(holds: bool, field: str, allowed: str) -> None:
    if not holds:
        raise RecordError(f"{field}: {allowed}")


def _require_texts(where: str, **texts: str | None) -> None:
    for field, text in texts.items():
        holds = text is None or (len(text) <= _MAX_TEXT and not _SURROGATE.search(text))
        _require(holds, where + field, f"must have at most {_MAX_TEXT} characters, and no half of a surrogate pair")


def _check_call(where: str, call: Call) -> None:
    _require_texts(where, stage=call.stage, model=call.model, provider=call.provider)
    _require(call.status in _STATUSES, f"{where}status", "must be ok, failed or cancelled")
    _require(len(call.input_digest) == _DIGEST_BYTES, f"{where}input_digest", "must be 32 bytes")
    _require(len(call.output_digest) in {0, _DIGEST_BYTES}, f"{where}output_digest", "must be 32 bytes, or none")
    for field, value, least in (
        ("attempt", call.attempt, 1),
        ("prompt_tokens", call.prompt_tokens, 0),
        ("completion_tokens", call.completion_tokens, 0),
    ):
        # The totals of all calls stay exact, too.
        _require(least <= value <= _MAX_INTEGER // _MAX_CALLS, where + field, f"must be an integer from {least}")
    _require(call.cost_pico_usd is None or call.cost_pico_usd >= 0, f"{where}cost_pico_usd", "must not be negative")


def check(record: Record) -> None:
    """Refuse what must not be signed.

    Raises:
        RecordError: naming the first bad field.
    """
    _require(bool(REQUEST_ID.fullmatch(record.request_id)), "request_id", "must be prysm- and 32 hex digits")
    _require(0 < len(record.calls) <= _MAX_CALLS, "calls", f"must be 1..{_MAX_CALLS}")
    _require(len(record.transcript_sha256) == _DIGEST_BYTES, "transcript_sha256", "must be 32 bytes")
    for field, value in (("agreement", record.agreement), ("confidence", record.confidence)):
        _require(value is None or 0 <= value <= 1, field, "must be a number from 0 to 1")
    _require(0 <= record.created <= _MAX_INTEGER, "created", "must be unix seconds")
    _require(0 < record.k <= _MAX_K, "k", f"must be 1..{_MAX_K}")
    _require_texts(
        "",
        policy=record.policy,
        strategy=record.strategy,
        confidence_source=record.confidence_source,
        calibration_id=record.calibration_id,
        aggregator=record.aggregator,
        trace_id=record.trace_id,
        software_version=record.software_version,
    )
    for index, call in enumerate(record.calls):
        _check_call(f"calls[{index}].", call)
    _require(len(record.degradations) <= _MAX_DEGRADATIONS, "degradations", f"must be at most {_MAX_DEGRADATIONS}")
    for index, item in enumerate(record.degradations):
        _require_texts(f"degradations[{index}].", stage=item.stage, reason=item.reason, model=item.model)
    if (compliance := record.compliance) is not None:
        where = "compliance."
        _require(len(compliance.decision_sha256) == _DIGEST_BYTES, f"{where}decision_sha256", "must be 32 bytes")
        _require_texts(where, attestation=compliance.attestation, matrix_version=compliance.matrix_version)


def micro_usd(pico: int) -> str:
    """Return money as a string of micro-USD, rounded half up."""
    return str((pico + _PICO_PER_MICRO // 2) // _PICO_PER_MICRO)


def _decimal(value: float) -> str:
    return f"{value + 0.0:.6f}"  # the sum makes a plain zero of -0.0


def _digest(value: bytes) -> str:
    return "sha256:" + value.hex()


def _call(call: Call) -> _Object:
    fields: _Object = {
        "stage": call.stage,
        "model": call.model,
        "provider": call.provider,
        "status": call.status,
        "attempt": call.attempt,
        "input_digest": _digest(call.input_digest),
        "prompt_tokens": call.prompt_tokens,
        "completion_tokens": call.completion_tokens,
    }
    if call.output_digest:
        fields["output_digest"] = _digest(call.output_digest)
    if call.cost_pico_usd is not None:
        fields["cost_micro_usd"] = micro_usd(call.cost_pico_usd)
    return fields


def _predicate(record: Record) -> _Object:
    calls = [_call(call) for call in record.calls]
    fields: _Object = {
        "request_id": record.request_id,
        "created": record.created,
        "policy": record.policy,
        "strategy": record.strategy,
        "forced": record.forced,
        "k": record.k,
        "calls": calls,
        "calls_root": _digest(merkle.root_hash([canonical.dumps(call) for call in calls])),
        "confidence": _decimal(record.confidence),
        "confidence_source": record.confidence_source,
        "degradations": [
            {"stage": item.stage, "reason": item.reason, "model": item.model} for item in record.degradations
        ],
        "totals": {
            "calls": len(calls),
            "prompt_tokens": sum(call.prompt_tokens for call in record.calls),
            "completion_tokens": sum(call.completion_tokens for call in record.calls),
            # Rounded once, so it may differ from the sum of the calls' own by less than 1 a call.
            "cost_micro_usd": micro_usd(sum(call.cost_pico_usd or 0 for call in record.calls)),
            "cost_estimated": record.cost_estimated,
        },
        "trace_id": record.trace_id,
        "software": {"name": "openprysm", "version": record.software_version},
    }
    if record.agreement is not None:
        fields["agreement"] = _decimal(record.agreement)
    if record.calibration_id is not None:
        fields["calibration_id"] = record.calibration_id
    if record.aggregator is not None:
        fields["aggregator"] = record.aggregator
    if record.compliance is not None:
        fields["compliance"] = {
            "decision": _digest(record.compliance.decision_sha256),
            "attestation": record.compliance.attestation,
            "matrix_version": record.compliance.matrix_version,
        }
    return fields


def payload(record: Record) -> bytes:
    """Return the RFC 8785 bytes of the Statement over a record that `check` let pass."""
    statement: _Object = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": SUBJECT, "digest": {"sha256": record.transcript_sha256.hex()}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": _predicate(record),
    }
    return canonical.dumps(statement)
