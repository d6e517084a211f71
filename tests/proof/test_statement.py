"""What may be signed, and the exact bytes that are."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from proof import merkle
from proof.statement import Compliance, Degradation, Record, RecordError, check, micro_usd, payload

from .records import call, record, records


def said(given_record: Record) -> dict[str, Any]:
    check(given_record)
    statement: dict[str, Any] = json.loads(payload(given_record))
    return statement


def numbers(value: Any) -> list[Any]:
    """Return all numbers of a JSON value."""
    if isinstance(value, dict):
        return numbers(list(value.values()))
    if isinstance(value, list):
        return [number for item in value for number in numbers(item)]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []


def test_a_statement_says_what_happened_and_no_more() -> None:
    full = record(
        calls=(call(), call(status="failed", output_digest=b"", cost_pico_usd=None, attempt=2)),
        degradations=(Degradation("propose", "timeout", "gpt-5.2"),),
        calibration_id="cal-1",
        compliance=Compliance(b"\x09" * 32, "sha256:" + "ab" * 32, "rcm-2026.11"),
        cost_estimated=True,
    )
    first: dict[str, Any] = {
        "stage": "propose",
        "model": "gpt-5.2",
        "provider": "openai",
        "status": "ok",
        "attempt": 1,
        "input_digest": "sha256:" + "01" * 32,
        "output_digest": "sha256:" + "02" * 32,
        "prompt_tokens": 11,
        "completion_tokens": 22,
        "cost_micro_usd": "2",
    }
    second = {**first, "status": "failed", "attempt": 2}
    del second["output_digest"], second["cost_micro_usd"]
    leaves = [rfc8785.dumps(item) for item in (first, second)]
    assert said(full) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "transcript.json", "digest": {"sha256": "03" * 32}}],
        "predicateType": "https://openprysm.dev/proof/v2",
        "predicate": {
            "request_id": "prysm-" + "0" * 31 + "1",
            "created": 1_790_000_000,
            "policy": "depth",
            "strategy": "ensemble_moa",
            "forced": False,
            "k": 2,
            "calls": [first, second],
            "calls_root": "sha256:" + merkle.root_hash(leaves).hex(),
            "agreement": "0.900000",
            "confidence": "0.850000",
            "confidence_source": "agreement",
            "calibration_id": "cal-1",
            "aggregator": "claude-opus-4.5",
            "degradations": [{"stage": "propose", "reason": "timeout", "model": "gpt-5.2"}],
            "totals": {
                "calls": 2,
                "prompt_tokens": 22,
                "completion_tokens": 44,
                "cost_micro_usd": "2",
                "cost_estimated": True,
            },
            "compliance": {
                "decision": "sha256:" + "09" * 32,
                "attestation": "sha256:" + "ab" * 32,
                "matrix_version": "rcm-2026.11",
            },
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
            "software": {"name": "openprysm", "version": "0.1.0"},
        },
    }


def test_what_there_was_none_of_is_absent() -> None:
    predicate = said(record(agreement=None, aggregator=None))["predicate"]
    assert not {"agreement", "aggregator", "calibration_id", "compliance"} & predicate.keys()


@given(records)
def test_any_good_record_has_canonical_bytes_that_read_back(given_record: Record) -> None:
    statement = said(given_record)
    assert rfc8785.dumps(statement) == payload(given_record) == payload(replace(given_record))
    predicate = statement["predicate"]
    assert all(isinstance(number, int) and abs(number) < 2**53 for number in numbers(statement))
    assert predicate["request_id"] == given_record.request_id
    assert ("agreement" in predicate) == (given_record.agreement is not None)
    assert [item["status"] for item in predicate["calls"]] == [item.status for item in given_record.calls]
    assert abs(float(predicate["confidence"]) - given_record.confidence) <= 5.1e-7
    exact = sum(item.cost_pico_usd or 0 for item in given_record.calls)
    assert abs(int(predicate["totals"]["cost_micro_usd"]) * 10**6 - exact) <= 500_000


@pytest.mark.parametrize(
    ("pico", "micro"),
    [
        (0, "0"),
        (499_999, "0"),
        (500_000, "1"),
        (1_499_999, "1"),
        (1_500_000, "2"),
        (2_500_000, "3"),
        (10**18, "1000000000000"),
    ],
)
def test_money_is_micro_usd_rounded_half_up(pico: int, micro: str) -> None:
    assert micro_usd(pico) == micro


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.000000"),
        (-0.0, "0.000000"),
        (1.0, "1.000000"),
        (1e-9, "0.000000"),
        (2 / 3, "0.666667"),
        (0.1, "0.100000"),
    ],
)
def test_shares_are_decimals_of_six_places(value: float, text: str) -> None:
    predicate = said(record(agreement=value, confidence=value))["predicate"]
    assert (predicate["agreement"], predicate["confidence"]) == (text, text)


_LONG = "é" * 257
_HALF = "a\ud800"
_BAD: dict[str, dict[str, Any]] = {
    "request_id": {"request_id": "prysm-1"},
    "request_id ": {"request_id": "prysm-" + "A" * 32},
    "request_id  ": {"request_id": "prysm-" + "0" * 32 + "\n"},
    "request_id   ": {"request_id": "prysm-" + "٣" * 32},
    "created": {"created": -1},
    "created ": {"created": 2**53},
    "policy": {"policy": _LONG},
    "policy ": {"policy": _HALF},
    "strategy": {"strategy": _HALF},
    "confidence_source": {"confidence_source": _LONG},
    "calibration_id": {"calibration_id": _HALF},
    "aggregator": {"aggregator": _LONG},
    "trace_id": {"trace_id": _HALF},
    "software_version": {"software_version": _LONG},
    "k": {"k": 0},
    "k ": {"k": -5},
    "k  ": {"k": 9},
    "calls": {"calls": ()},
    "calls ": {"calls": (call(),) * 17},
    "calls[0].stage": {"calls": (call(stage=_HALF),)},
    "calls[1].model": {"calls": (call(), call(model=_LONG))},
    "calls[0].provider": {"calls": (call(provider=_HALF),)},
    "calls[0].status": {"calls": (call(status="skipped"),)},
    "calls[0].attempt": {"calls": (call(attempt=0),)},
    "calls[0].attempt ": {"calls": (call(attempt=2**53),)},
    "calls[0].input_digest": {"calls": (call(input_digest=b""),)},
    "calls[0].input_digest ": {"calls": (call(input_digest=b"\x00" * 33),)},
    "calls[0].output_digest": {"calls": (call(output_digest=b"\x00" * 31),)},
    "calls[0].prompt_tokens": {"calls": (call(prompt_tokens=-1),)},
    "calls[0].prompt_tokens ": {"calls": (call(prompt_tokens=2**53),)},
    "calls[0].completion_tokens": {"calls": (call(completion_tokens=2**53 - 1),)},
    "calls[0].cost_pico_usd": {"calls": (call(cost_pico_usd=-1),)},
    "agreement": {"agreement": float("nan")},
    "agreement ": {"agreement": 1.0000001},
    "agreement  ": {"agreement": -1e-300},
    "confidence": {"confidence": float("inf")},
    "confidence ": {"confidence": float("nan")},
    "degradations": {"degradations": (Degradation("a", "b", "c"),) * 65},
    "degradations[0].stage": {"degradations": (Degradation(_LONG, "", ""),)},
    "degradations[0].reason": {"degradations": (Degradation("", _HALF, ""),)},
    "degradations[0].model": {"degradations": (Degradation("", "", _HALF),)},
    "transcript_sha256": {"transcript_sha256": b""},
    "transcript_sha256 ": {"transcript_sha256": b"\x00" * 64},
    "compliance.decision_sha256": {"compliance": Compliance(b"", "", "")},
    "compliance.attestation": {"compliance": Compliance(b"\x00" * 32, _LONG, "")},
    "compliance.matrix_version": {"compliance": Compliance(b"\x00" * 32, "", _HALF)},
}


@pytest.mark.parametrize(("field", "fields"), list(_BAD.items()))
def test_what_must_not_be_signed_is_refused_by_its_name(field: str, fields: dict[str, Any]) -> None:
    with pytest.raises(RecordError, match=f"^{re.escape(field.strip())}: must "):
        check(record(**fields))


_anything = st.integers() | st.floats() | st.text(alphabet=st.characters(), max_size=300)


@given(
    created=st.integers(),
    k=st.integers(),
    agreement=st.none() | st.floats(),
    text=st.text(alphabet=st.characters(), max_size=300),
    tokens=st.integers(),
    cost=st.integers(),
    digest=st.binary(max_size=40),
)
def test_any_record_is_refused_or_has_canonical_bytes(
    created: int, k: int, agreement: float | None, text: str, tokens: int, cost: int, digest: bytes
) -> None:
    odd = record(
        created=created,
        k=k,
        agreement=agreement,
        strategy=text,
        calls=(call(model=text, prompt_tokens=tokens, cost_pico_usd=cost, input_digest=digest),) * 3,
    )
    try:
        check(odd)
    except RecordError:
        return
    assert rfc8785.dumps(json.loads(payload(odd))) == payload(odd)
