"""Checks a proof offline: with the proof, those whom you trust and, for the whole of it, the transcript."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import rfc8785
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from proof import attested, bundle, disclosure, dsse, entry, keys, merkle, note, statement
from proof.trust import SigningKey, Trust

if TYPE_CHECKING:
    from collections.abc import Callable

Status: TypeAlias = Literal["pass", "fail", "skipped"]


@dataclass(frozen=True)
class Check:
    """One step of a verification."""

    name: str
    status: Status
    #: Why it failed or was skipped; empty when it passed.
    why: str = ""


class _FailedError(Exception):
    """A check did not pass."""


class _SkippedError(Exception):
    """A check can't be made with what was given."""


def _require(holds: bool, why: str) -> None:
    if not holds:
        raise _FailedError(why)


def verified(checks: list[Check]) -> bool:
    """Tell whether nothing failed; what was skipped is for the reader to judge."""
    return all(check.status != "fail" for check in checks)


def _key_in(body: bytes) -> ec.EllipticCurvePublicKey:
    """Return the key that a log entry names."""
    spec = json.loads(body)["spec"]["hashedRekordV002"]
    try:
        key = load_der_public_key(base64.b64decode(spec["signature"]["verifier"]["publicKey"]["rawBytes"]))
    except UnsupportedAlgorithm as error:
        raise _FailedError("the log entry names a key of another kind") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _FailedError("the log entry names a key of another kind")
    return key


class _Verification:
    """The steps, in their order; each may count on those before it."""

    def __init__(self, proof: object, trust: Trust, transcript: bytes | None, disclosed: bytes | None) -> None:
        self._disclosed = disclosed
        self._proof = proof
        self._trust = trust
        self._transcript = transcript
        self._bundle: bundle.Bundle
        self._key: SigningKey
        self._said: dict[str, Any]

    def parse(self) -> None:
        _require(isinstance(self._proof, dict), "the proof is no JSON object")
        outer = cast("dict[str, Any]", self._proof)
        try:
            self._bundle = bundle.read(outer["proof"] if isinstance(outer.get("proof"), dict) else outer)
        except bundle.BundleError as error:
            raise _FailedError(str(error)) from error

    def signature(self) -> None:
        envelope = self._bundle.envelope
        if self._trust.keys:
            _require(envelope.keyid in self._trust.keys, "another key signed it, or says so")
            self._key = self._trust.keys[envelope.keyid]
        else:
            _require(self._bundle.entry is not None, "no key was given, and no log entry names one")
            self._key = SigningKey(_key_in(cast("bundle.LogEntry", self._bundle.entry).body))
            _require(envelope.keyid == keys.keyid(self._key.public), "another key signed it, or says so")
        _require(dsse.signature_holds(envelope, self._key.public), "the signature does not fit")

    def payload(self) -> None:
        raw = self._bundle.envelope.payload
        try:
            said = json.loads(raw)
            canonical = rfc8785.dumps(said)
        except (ValueError, RecursionError) as error:
            raise _FailedError("the payload is not JSON") from error
        _require(canonical == raw, "the payload is not in its canonical form")
        _require(isinstance(said, dict) and said.get("_type") == statement.STATEMENT_TYPE, "not an in-toto Statement")
        _require(said.get("predicateType") == statement.PREDICATE_TYPE, "not a statement about an openprysm run")
        self._said = said

    def records(self) -> None:
        predicate = self._said["predicate"]
        calls = predicate["calls"]
        root = "sha256:" + merkle.root_hash([rfc8785.dumps(call) for call in calls]).hex()
        _require(root == predicate["calls_root"], "the call records are not those of the root")
        totals = predicate["totals"]
        _require(len(calls) == totals["calls"], "the number of calls does not add up")
        for tokens in ("prompt_tokens", "completion_tokens"):
            _require(sum(call[tokens] for call in calls) == totals[tokens], f"the {tokens} do not add up")

    def _entry(self) -> bundle.LogEntry:
        if self._trust.log is None:
            raise _SkippedError("no log is trusted")
        found = self._bundle.entry
        if found is None:
            raise _FailedError("the proof has no log entry")
        return found

    def logged(self) -> None:
        found = self._entry()
        _require(
            found.body == entry.leaf(self._bundle.envelope, entry.spki(self._key.public)),
            "the log entry is another proof's",
        )

    def inclusion(self) -> None:
        found = self._entry()
        leaf = merkle.leaf_hash(found.body)
        _require(
            merkle.includes(found.index, found.size, leaf, found.path, found.root), "the path does not lead to the root"
        )

    def checkpoint(self) -> None:
        found = self._entry()
        log = cast("note.LogKey", self._trust.log)
        _require(found.log_id == log.id, "an entry of another log, or says so")
        try:
            checkpoint = note.verify(found.checkpoint, log)
        except note.NoteError as error:
            raise _FailedError(str(error)) from error
        holds = (checkpoint.size, checkpoint.root) == (found.size, found.root)
        _require(holds, "the checkpoint is of another tree")

    def revocation(self) -> None:
        bound = self._key.revoked_from
        if bound is None:
            return
        _require(self._trust.log is not None, "the key was revoked, and no log is trusted that says when")
        _require(self._entry().index < bound, f"the key was revoked from entry {bound} on")

    def subject(self) -> None:
        if self._transcript is None:
            raise _SkippedError("no transcript was given")
        (named,) = self._said["subject"]
        _require(hashlib.sha256(self._transcript).hexdigest() == named["digest"]["sha256"], "another transcript")
        spoken, predicate = json.loads(self._transcript), self._said["predicate"]
        _require(spoken["request_id"] == predicate["request_id"], "the transcript is of another request")
        _require(attested.holds(predicate, spoken), "the compliance attestation does not fit the calls")

    def disclosure(self) -> None:
        try:
            disclosure.check(self._disclosed or b"", self._bundle.envelope.payload)
        except disclosure.DisclosureError as error:
            raise _FailedError(str(error)) from error


def verify(proof: object, trust: Trust, transcript: bytes | None, disclosed: bytes | None = None) -> list[Check]:
    """Check a proof in numbered steps; after the first that fails the others are skipped.

    1. The proof is a Sigstore bundle with one DSSE signature.
    2. The signature over the PAE is of a trusted key, or of the key that the log entry names when none is given.
    3. The payload is an in-toto Statement about an openprysm run, in its canonical form (RFC 8785).
    4. The call records add up to the Merkle root over them (RFC 6962), and to the totals of calls and tokens.
    5. The log entry is of this very envelope; 5 to 7 are skipped when no log is trusted.
    6. Its path leads from there to a root.
    7. The trusted log has signed a checkpoint with that root.
    8. The key was not revoked, or only for later entries.
    9. The transcript is what the statement speaks of, and of the same request; under a compliance policy its
       attestation fits, and no model was called that was not allowed. Skipped without a transcript.
    10. The disclosure is of one of its calls. Not made without a disclosure.

    Args:
        proof: the bundle, or the answer of `GET /v1/proof/{id}` around it, as JSON was read; whatever it is.
        trust: keys and log, from a source that you trust.
        transcript: exact bytes of `prysm.proof.transcript`.
        disclosed: exact bytes of a disclosure.
    """
    steps = _Verification(proof, trust, transcript, disclosed)
    named: list[tuple[str, Callable[[], None]]] = [
        ("bundle: one DSSE envelope, one signature", steps.parse),
        ("signature: ECDSA P-256 by a trusted key", steps.signature),
        ("statement: in-toto v1, canonical", steps.payload),
        ("call records: Merkle root and totals", steps.records),
        ("log entry: of this envelope", steps.logged),
        ("inclusion: the path leads to the root", steps.inclusion),
        ("checkpoint: the root, signed by the log", steps.checkpoint),
        ("key: not revoked", steps.revocation),
        ("transcript: the one that was signed", steps.subject),
    ]
    if disclosed is not None:
        named.append(("disclosure: one call of this run", steps.disclosure))
    checks: list[Check] = []
    for name, step in named:
        if not verified(checks):
            checks.append(Check(name, "skipped", "an earlier check failed"))
            continue
        try:
            step()
        except _SkippedError as why:
            checks.append(Check(name, "skipped", str(why)))
        except _FailedError as why:
            checks.append(Check(name, "fail", str(why)))
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
            checks.append(Check(name, "fail", "a part is missing or has the wrong type"))
        else:
            checks.append(Check(name, "pass"))
    return checks
