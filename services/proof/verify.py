"""Checks a proof offline: with the proof, the public key and, for the whole of it, the transcript."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import rfc8785

from proof import attested, dsse, keys, merkle, statement

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True)
class Check:
    """One step of a verification."""

    name: str
    passed: bool
    #: Why it failed; empty when it passed.
    why: str = ""


class _FailedError(Exception):
    """A check did not pass."""


def _require(holds: bool, why: str) -> None:
    if not holds:
        raise _FailedError(why)


def verify(  # noqa: C901 - one long check, numbered as its docstring says
    proof: object, key: ec.EllipticCurvePublicKey, transcript: bytes | None
) -> list[Check]:
    """Check a proof in numbered steps and stop at the first that fails.

    1. The proof is a Sigstore bundle with one DSSE signature.
    2. The signature over the PAE is the given key's.
    3. The payload is an in-toto Statement about an openprysm run, in its canonical form (RFC 8785).
    4. The call records add up to the Merkle root over them (RFC 6962), and to the totals of calls and tokens.
    5. The transcript is what the statement speaks of, and of the same request; under a compliance policy its
       attestation fits, and no model was called that was not allowed. Left out without a transcript.

    Args:
        proof: the bundle, or the answer of `GET /v1/proof/{id}` around it, as JSON was read; whatever it is.
        key: the proof service's public key, from a source that you trust.
        transcript: exact bytes of `prysm.proof.transcript`.
    """
    read: dict[str, Any] = {}

    def parse() -> None:
        _require(isinstance(proof, dict), "the proof is no JSON object")
        outer = cast("dict[str, Any]", proof)
        try:
            read["envelope"] = dsse.from_bundle(outer["proof"] if isinstance(outer.get("proof"), dict) else outer)
        except dsse.EnvelopeError as error:
            raise _FailedError(str(error)) from error

    def signature() -> None:
        envelope = read["envelope"]
        _require(envelope.keyid == keys.keyid(key), "another key signed it, or says so")
        _require(dsse.signature_holds(envelope, key), "the signature does not fit")

    def payload() -> None:
        raw = read["envelope"].payload
        try:
            said = json.loads(raw)
            canonical = rfc8785.dumps(said)
        except (ValueError, RecursionError) as error:
            raise _FailedError("the payload is not JSON") from error
        _require(canonical == raw, "the payload is not in its canonical form")
        _require(isinstance(said, dict) and said.get("_type") == statement.STATEMENT_TYPE, "not an in-toto Statement")
        _require(said.get("predicateType") == statement.PREDICATE_TYPE, "not a statement about an openprysm run")
        read["statement"] = said

    def records() -> None:
        predicate = read["statement"]["predicate"]
        calls = predicate["calls"]
        root = "sha256:" + merkle.root_hash([rfc8785.dumps(call) for call in calls]).hex()
        _require(root == predicate["calls_root"], "the call records are not those of the root")
        totals = predicate["totals"]
        _require(len(calls) == totals["calls"], "the number of calls does not add up")
        for tokens in ("prompt_tokens", "completion_tokens"):
            _require(sum(call[tokens] for call in calls) == totals[tokens], f"the {tokens} do not add up")

    def subject() -> None:
        (named,) = read["statement"]["subject"]
        _require(hashlib.sha256(transcript or b"").hexdigest() == named["digest"]["sha256"], "another transcript")
        spoken, predicate = json.loads(transcript or b""), read["statement"]["predicate"]
        _require(spoken["request_id"] == predicate["request_id"], "the transcript is of another request")
        _require(attested.holds(predicate, spoken), "the compliance attestation does not fit the calls")

    steps: list[tuple[str, Callable[[], None]]] = [
        ("bundle: one DSSE envelope, one signature", parse),
        ("signature: ECDSA P-256 by the given key", signature),
        ("statement: in-toto v1, canonical", payload),
        ("call records: Merkle root and totals", records),
    ]
    if transcript is not None:
        steps.append(("transcript: the one that was signed", subject))
    checks: list[Check] = []
    for name, step in steps:
        try:
            step()
        except _FailedError as error:
            return [*checks, Check(name, False, str(error))]
        except (KeyError, TypeError, ValueError, RecursionError):
            return [*checks, Check(name, False, "a part is missing or has the wrong type")]
        checks.append(Check(name, True))
    return checks
