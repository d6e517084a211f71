"""DSSE envelopes.

Source: secure-systems-lab/dsse protocol.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"


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


def verifies(key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes) -> bool:
    """Tell whether a DER signature is the key's over SHA-256 of the message."""
    try:
        key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def signature_holds(envelope: Envelope, key: ec.EllipticCurvePublicKey) -> bool:
    """Tell whether `key` signed the envelope."""
    return verifies(key, envelope.signature, pae(envelope.payload))
