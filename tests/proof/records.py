"""Records as the proof service's tests write them."""

from __future__ import annotations

import string
from typing import Any

from hypothesis import strategies as st

from proof.statement import Call, Compliance, Degradation, Record

_POLICIES = ["efficiency", "balanced", "depth"]


def call(**fields: Any) -> Call:
    defaults: dict[str, Any] = {
        "stage": "propose",
        "model": "gpt-5.2",
        "provider": "openai",
        "status": "ok",
        "attempt": 1,
        "input_digest": b"\x01" * 32,
        "output_digest": b"\x02" * 32,
        "prompt_tokens": 11,
        "completion_tokens": 22,
        "cost_pico_usd": 1_500_000,
    }
    return Call(**{**defaults, **fields})


def record(number: int = 1, **fields: Any) -> Record:
    """Return the record of a request, whose id is made of the number."""
    defaults: dict[str, Any] = {
        "request_id": f"prysm-{number:032x}",
        "created": 1_790_000_000,
        "policy": "depth",
        "strategy": "ensemble_moa",
        "forced": False,
        "k": 2,
        "calls": (call(), call(stage="aggregate", model="claude-opus-4.5", provider="anthropic")),
        "agreement": 0.9,
        "confidence": 0.85,
        "confidence_source": "agreement",
        "calibration_id": None,
        "aggregator": "claude-opus-4.5",
        "degradations": (),
        "transcript_sha256": b"\x03" * 32,
        "compliance": None,
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "software_version": "0.1.0",
        "cost_estimated": False,
    }
    return Record(**{**defaults, **fields})


_texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=256)
_digests = st.binary(min_size=32, max_size=32)
_shares = st.floats(0, 1)
_tokens = st.integers(0, 2**32 - 1)
_calls = st.builds(
    Call,
    stage=_texts,
    model=_texts,
    provider=_texts,
    status=st.sampled_from(["ok", "failed", "cancelled"]),
    attempt=st.integers(1, 16),
    input_digest=_digests,
    output_digest=_digests | st.just(b""),
    prompt_tokens=_tokens,
    completion_tokens=_tokens,
    cost_pico_usd=st.none() | st.integers(0, 2**64 - 1),
)
#: All records that may be signed, and that the wire can carry.
records = st.builds(
    Record,
    request_id=st.text(alphabet=string.digits + "abcdef", min_size=32, max_size=32).map("prysm-{}".format),
    created=st.integers(0, 2**32 - 1),
    policy=st.sampled_from(_POLICIES),
    strategy=_texts,
    forced=st.booleans(),
    k=st.integers(1, 8),
    calls=st.lists(_calls, min_size=1, max_size=16).map(tuple),
    agreement=st.none() | _shares,
    confidence=_shares,
    confidence_source=_texts,
    calibration_id=st.none() | _texts,
    aggregator=st.none() | _texts,
    degradations=st.lists(st.builds(Degradation, _texts, _texts, _texts), max_size=4).map(tuple),
    transcript_sha256=_digests,
    compliance=st.none() | st.builds(Compliance, _digests, _texts, _texts),
    trace_id=_texts,
    software_version=_texts,
    cost_estimated=st.booleans(),
)
