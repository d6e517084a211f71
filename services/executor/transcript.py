"""The transcript: the caller's side of a proof. Its SHA-256 is what the proof speaks of.

A proof is public, and a bare hash of a short prompt could be guessed; so every digest is salted from a nonce that only
the caller gets. The salt of call i is HMAC-SHA256(nonce, "call" ‖ i as 4 bytes, big endian): one call can be disclosed
by giving away its salt alone.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import rfc8785

from chassis import canonical

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executor.attestation import Attestation
    from executor.chat import Message
    from executor.stages import Stage

VERSION: Final = 2
NONCE_BYTES: Final = 32


class TranscriptError(ValueError):
    """A text has no canonical form: it holds half a surrogate pair."""


@dataclass(frozen=True)
class Digests:
    """Salted digests of one call, 32 bytes each; `output` is empty when there was none."""

    input: bytes
    output: bytes


@dataclass(frozen=True)
class Transcript:
    """What the caller keeps."""

    #: RFC 8785 bytes.
    text: bytes
    sha256: bytes
    nonce: bytes
    #: One per stage, in order.
    digests: tuple[Digests, ...]
    #: Only under a compliance policy.
    attested: Attestation | None = None


def _messages(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.text} for message in messages]


def _digests(nonce: bytes, stage: Stage) -> Digests:
    salt = hmac.digest(nonce, b"call" + stage.index.to_bytes(4, "big"), "sha256")
    request = stage.request
    asked = canonical.dumps(
        {"max_tokens": request.max_tokens, "messages": _messages(request.messages), "model": request.model}
    )
    # The one float; its key is the last in order.
    asked = asked[:-1] + b',"temperature":' + rfc8785.dumps(request.temperature) + b"}"
    output = stage.output.encode("utf-8", "surrogatepass")
    return Digests(
        hashlib.sha256(salt + asked).digest(), hashlib.sha256(salt + output).digest() if stage.output else b""
    )


def write(
    request_id: str,
    messages: Sequence[Message],
    answer: str,
    stages: Sequence[Stage],
    nonce: bytes,
    attested: Attestation | None = None,
) -> Transcript:
    """Write the transcript of a run; under a policy with the decision, from which the attestation can be recomputed.

    Raises:
        TranscriptError: a text has no canonical form.
    """
    try:
        digests = tuple(_digests(nonce, stage) for stage in stages)
        content = _content(request_id, messages, answer, stages, nonce, digests)
        if attested is not None:
            content["compliance"] = {"decision": attested.decision, "attestation": attested.text}
        text = canonical.dumps(content)
    except (UnicodeEncodeError, rfc8785.CanonicalizationError) as error:
        raise TranscriptError from error
    return Transcript(text, hashlib.sha256(text).digest(), nonce, digests, attested)


def _content(
    request_id: str,
    messages: Sequence[Message],
    answer: str,
    stages: Sequence[Stage],
    nonce: bytes,
    digests: Sequence[Digests],
) -> dict[str, Any]:
    return {
        "version": VERSION,
        "nonce": nonce.hex(),
        "request_id": request_id,
        "messages": _messages(messages),
        "answer": answer,
        "calls": [
            {
                "stage": stage.name,
                "model": stage.model.id,
                "provider": stage.model.provider,
                "status": stage.status,
                "attempt": stage.attempt,
                "input_digest": "sha256:" + digest.input.hex(),
                **({"output_digest": "sha256:" + digest.output.hex()} if digest.output else {}),
            }
            for stage, digest in zip(stages, digests, strict=True)
        ],
    }
