"""The log's entries: hashedrekord 0.0.2 as Rekor v2 writes it, over the PAE of an envelope.

Verifiers derive these bytes anew from the envelope and the key, so a byte more or less would be another entry.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import serialization

from chassis import canonical
from proof import dsse

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

KIND: Final = "hashedrekord"
VERSION: Final = "0.0.2"


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def leaf(envelope: dsse.Envelope, key: ec.EllipticCurvePublicKey) -> bytes:
    """Return the entry of an envelope that `key` signed: RFC 8785 JSON, about 600 bytes."""
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    digest = hashlib.sha256(dsse.pae(envelope.payload)).digest()
    return canonical.dumps(
        {
            "apiVersion": VERSION,
            "kind": KIND,
            "spec": {
                "hashedRekordV002": {
                    "data": {"algorithm": "SHA2_256", "digest": _text(digest)},
                    "signature": {
                        "content": _text(envelope.signature),
                        "verifier": {
                            "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                            "publicKey": {"rawBytes": _text(spki)},
                        },
                    },
                }
            },
        }
    )
