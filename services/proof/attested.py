"""Whether a run kept to its compliance policy, as far as a proof and its transcript can tell."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import rfc8785

if TYPE_CHECKING:
    from collections.abc import Mapping


def _sha256(value: Any) -> str:
    return "sha256:" + hashlib.sha256(rfc8785.dumps(value)).hexdigest()


def holds(predicate: Mapping[str, Any], transcript: Mapping[str, Any]) -> bool:
    """Tell whether the attestation is that of the transcript, and every model that was called was allowed.

    Without a policy neither side speaks of one, and that holds.

    Args:
        predicate: of the statement that was signed.
        transcript: of the same request.

    Raises:
        KeyError, TypeError: a part is missing or has the wrong type.
    """
    signed, kept = predicate.get("compliance"), transcript.get("compliance")
    if signed is None or kept is None:
        return signed is kept
    decision = kept["decision"]
    models = list(dict.fromkeys(call["model"] for call in transcript["calls"]))
    body = {"decision": decision, "models": models, "request_id": transcript["request_id"]}
    return (
        signed["decision"] == _sha256(decision)
        and signed["attestation"] == kept["attestation"] == _sha256(body)
        and signed["matrix_version"] == decision["matrix_version"]
        and set(models) <= set(decision["allowed"])
    )
