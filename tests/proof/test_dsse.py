"""DSSE envelopes against the protocol's vector, securesystemslib, and openssl."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
from securesystemslib import dsse as other
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined] # exported all the same

from proof import bundle, keys
from proof.bundle import Bundle
from proof.dsse import Envelope, pae, signature_holds

if TYPE_CHECKING:
    from pathlib import Path

    from proof.keys import FileSigner


def sealed(signer: FileSigner, payload: bytes = b"hello") -> Envelope:
    return Envelope(payload, signer.sign(pae(payload)), signer.keyid)


def test_the_encoding_is_that_of_the_protocols_vector() -> None:
    assert pae(b"hello world", "http://example.com/HelloWorld") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_lengths_count_bytes() -> None:
    assert pae("é".encode(), "ü") == b"DSSEv1 2 \xc3\xbc 2 \xc3\xa9"
    assert pae(b"") == b"DSSEv1 28 application/vnd.in-toto+json 0 "


def test_securesystemslib_verifies_our_envelope_under_our_keyid(signer: FileSigner) -> None:
    whole = json.loads(bundle.dumps(Bundle(sealed(signer), None)))
    theirs = SSlibKey.from_crypto(signer.public_key, keyid=signer.keyid)
    assert theirs.keyid == whole["dsseEnvelope"]["signatures"][0]["keyid"]
    envelope = other.Envelope.from_dict(whole["dsseEnvelope"])
    assert envelope.verify([theirs], 1).keys() == {signer.keyid}
    envelope.payload += b"!"
    with pytest.raises(VerificationError):
        envelope.verify([theirs], 1)


def test_openssl_verifies_our_signature(signer: FileSigner, tmp_path: Path) -> None:
    envelope = sealed(signer)
    (tmp_path / "key.pem").write_bytes(keys.to_pem(signer.public_key))
    (tmp_path / "signature").write_bytes(envelope.signature)
    command = ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "signature"]
    for payload, said in ((b"hello", "Verified OK"), (b"hellp", "Verification failure")):
        done = subprocess.run(command, input=pae(payload), capture_output=True, cwd=tmp_path, check=False)
        assert done.stdout.decode().strip() == said


def test_a_signature_is_of_its_bytes_and_its_key_alone(signer: FileSigner, tmp_path: Path) -> None:
    keys.ensure_key_file(tmp_path / "other.pem")
    stranger = keys.FileSigner(tmp_path / "other.pem")
    envelope = sealed(signer)
    assert signature_holds(envelope, signer.public_key)
    assert not signature_holds(envelope, stranger.public_key)
    assert not signature_holds(Envelope(b"hellp", envelope.signature, envelope.keyid), signer.public_key)
    assert not signature_holds(Envelope(b"hello", signer.sign(b"hello"), envelope.keyid), signer.public_key)
    for signature in (b"", b"\x00", b"\x30\x00", b"\x30\x06\x02\x01\x00\x02\x01\x00", envelope.signature + b"\x00"):
        assert not signature_holds(Envelope(b"hello", signature, envelope.keyid), signer.public_key)
