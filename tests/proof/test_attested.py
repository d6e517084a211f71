"""A run under a policy is checked with what its caller keeps, and nothing else."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import rfc8785

from proof import attested

DECISION = {"allowed": ["a", "b"], "allowed_count": 2, "matrix_version": "rcm-1"}


def sha256(value: Any) -> str:
    return "sha256:" + hashlib.sha256(rfc8785.dumps(value)).hexdigest()


def sides(*models: str, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    body: Any = {"decision": DECISION, "models": list(dict.fromkeys(models)), "request_id": "prysm-0"}
    transcript = {
        "request_id": "prysm-0",
        "calls": [{"model": model} for model in models],
        "compliance": {"decision": DECISION, "attestation": sha256(body)},
    }
    predicate = {"decision": sha256(DECISION), "attestation": sha256(body), "matrix_version": "rcm-1", **changes}
    return {"compliance": predicate}, transcript


def test_an_attestation_fits_the_calls_that_it_was_made_of() -> None:
    assert attested.holds(*sides("a", "b", "a"))
    assert attested.holds({}, {})


def test_a_call_of_a_model_that_was_not_allowed_is_found() -> None:
    assert not attested.holds(*sides("a", "c"))


@pytest.mark.parametrize("field", ["decision", "attestation", "matrix_version"])
def test_what_was_signed_is_what_was_kept(field: str) -> None:
    assert not attested.holds(*sides("a", **{field: "sha256:" + "0" * 64}))


def test_a_policy_can_be_neither_dropped_nor_added() -> None:
    signed, kept = sides("a")
    assert not attested.holds(signed, {key: value for key, value in kept.items() if key != "compliance"})
    assert not attested.holds({}, kept)


def test_another_call_another_order_or_another_request_does_not_fit() -> None:
    signed, kept = sides("a", "b")
    assert not attested.holds(signed, {**kept, "calls": kept["calls"][:1]})
    assert not attested.holds(signed, {**kept, "calls": kept["calls"][::-1]})
    assert not attested.holds(signed, {**kept, "request_id": "prysm-1"})
