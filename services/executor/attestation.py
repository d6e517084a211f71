"""The attestation of a run under a compliance policy: which decision held, and which models it let read the text.

`sha256:` over the RFC 8785 form of {decision, models, request_id}, where `models` are the ids of all models that were
called, each once, in order of their first call. The transcript carries all three, so whoever holds it can recompute it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chassis import canonical

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executor.stages import Stage


@dataclass(frozen=True)
class Attestation:
    """What a run under a policy is held to."""

    #: The contract's decision object.
    decision: dict[str, Any]
    #: Of the decision's RFC 8785 form, 32 bytes.
    sha256: bytes
    #: `sha256:` and 64 hex digits.
    text: str
    matrix_version: str


def attest(decision: bytes, stages: Sequence[Stage], request_id: str) -> Attestation | None:
    """Attest a run; None when no policy held.

    Args:
        decision: RFC 8785 form of the decision, or empty.
        stages: every call of the run.
        request_id: of the orchestration.
    """
    if not decision:
        return None
    read = json.loads(decision)
    models = list(dict.fromkeys(stage.model.id for stage in stages))
    body = canonical.dumps({"decision": read, "models": models, "request_id": request_id})
    digest = hashlib.sha256(decision).digest()
    return Attestation(read, digest, "sha256:" + hashlib.sha256(body).hexdigest(), read["matrix_version"])
