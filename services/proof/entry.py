"""The log's entries: hashedrekord 0.0.2 as Rekor v2 writes it, over the PAE of an envelope.

Verifiers derive these bytes anew from the envelope and the key, so a byte more or less would be another entry.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import serialization

from proof import dsse

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

KIND: Final = "hashedrekord"
VERSION: Final = "0.0.2"


#: RFC 8785 leaves nothing open: names in order, no blanks, and base64 needs no escapes.
_FORM: Final = (
    b'{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{"hashedRekordV002":{'
    b'"data":{"algorithm":"SHA2_256","digest":"%b"},'
    b'"signature":{"content":"%b","verifier":{"keyDetails":"PKIX_ECDSA_P256_SHA_256",'
    b'"publicKey":{"rawBytes":"%b"}}}}}}'
)


def spki(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return the key as DER SubjectPublicKeyInfo."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def leaf(envelope: dsse.Envelope, key_spki: bytes) -> bytes:
    """Return the entry of an envelope: RFC 8785 JSON, about 600 bytes.

    Args:
        envelope: what is logged.
        key_spki: `spki` of the key that signed it.
    """
    digest = hashlib.sha256(dsse.pae(envelope.payload)).digest()
    encode = base64.b64encode
    return _FORM % (encode(digest), encode(envelope.signature), encode(key_spki))
