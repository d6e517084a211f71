"""The log's entries are the canonical JSON that verifiers derive anew."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

import rfc8785
from cryptography.hazmat.primitives.serialization import load_der_public_key
from hypothesis import given
from hypothesis import strategies as st

from proof import entry
from proof.dsse import Envelope

if TYPE_CHECKING:
    from proof.keys import FileSigner


def text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@given(st.binary(), st.binary(), st.binary())
def test_an_entry_is_rekors_hashedrekord_in_canonical_form(payload: bytes, signature: bytes, spki: bytes) -> None:
    pae = b"DSSEv1 28 application/vnd.in-toto+json %d %b" % (len(payload), payload)
    assert entry.leaf(Envelope(payload, signature, "key"), spki) == rfc8785.dumps(
        {
            "apiVersion": entry.VERSION,
            "kind": entry.KIND,
            "spec": {
                "hashedRekordV002": {
                    "data": {"algorithm": "SHA2_256", "digest": text(hashlib.sha256(pae).digest())},
                    "signature": {
                        "content": text(signature),
                        "verifier": {
                            "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                            "publicKey": {"rawBytes": text(spki)},
                        },
                    },
                }
            },
        }
    )


def test_a_keys_form_is_that_of_any_reader(signer: FileSigner) -> None:
    assert load_der_public_key(entry.spki(signer.public_key)) == signer.public_key
