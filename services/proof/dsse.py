"""DSSE envelopes and the Sigstore bundle that holds one.

Sources: secure-systems-lab/dsse protocol.md (PAE, envelope), Sigstore bundle v0.3.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from collections.abc import Mapping

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
MEDIA_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"


class EnvelopeError(ValueError):
    """The bytes are no bundle of ours; the text says which part is wrong."""


@dataclass(frozen=True)
class Envelope:
    """A payload with exactly one signature over its PAE."""

    payload: bytes
    #: ECDSA P-256 over SHA-256, DER.
    signature: bytes
    keyid: str


def pae(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """Return the pre-authentication encoding: the bytes that are signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def signature_holds(envelope: Envelope, key: ec.EllipticCurvePublicKey) -> bool:
    """Tell whether `key` signed the envelope."""
    try:
        key.verify(envelope.signature, pae(envelope.payload), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def to_bundle(envelope: Envelope) -> bytes:
    """Return the envelope in a Sigstore bundle, as JSON."""
    return json.dumps(
        {
            "mediaType": MEDIA_TYPE,
            "verificationMaterial": {"publicKey": {"hint": envelope.keyid}},
            "dsseEnvelope": {
                "payload": base64.b64encode(envelope.payload).decode(),
                "payloadType": PAYLOAD_TYPE,
                "signatures": [{"sig": base64.b64encode(envelope.signature).decode(), "keyid": envelope.keyid}],
            },
        },
        separators=(",", ":"),
    ).encode()


def from_bundle(bundle: Mapping[str, object]) -> Envelope:
    """Read the envelope out of a bundle.

    Raises:
        EnvelopeError: it is no bundle of version 0.3 with one signature.
    """
    try:
        media_type, inner = bundle["mediaType"], cast("Any", bundle["dsseEnvelope"])
        payload_type = inner["payloadType"]
        (signature,) = inner["signatures"]
        envelope = Envelope(
            payload=base64.b64decode(inner["payload"], validate=True),
            signature=base64.b64decode(signature["sig"], validate=True),
            keyid=str(signature["keyid"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise EnvelopeError("not a Sigstore bundle with a DSSE envelope of one signature") from error
    if (media_type, payload_type) != (MEDIA_TYPE, PAYLOAD_TYPE):
        raise EnvelopeError(f"mediaType must be {MEDIA_TYPE} and payloadType {PAYLOAD_TYPE}")
    return envelope
