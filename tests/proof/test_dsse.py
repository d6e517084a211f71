"""DSSE envelopes against the protocol's vector, securesystemslib, and openssl."""

from __future__ import annotations

import base64
import json
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib import dsse as other
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined] # exported all the same

from proof import keys
from proof.dsse import (
    MEDIA_TYPE,
    PAYLOAD_TYPE,
    Envelope,
    EnvelopeError,
    from_bundle,
    pae,
    signature_holds,
    to_bundle,
)

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
    bundle = json.loads(to_bundle(sealed(signer)))
    theirs = SSlibKey.from_crypto(signer.public_key, keyid=signer.keyid)
    assert theirs.keyid == bundle["dsseEnvelope"]["signatures"][0]["keyid"]
    envelope = other.Envelope.from_dict(bundle["dsseEnvelope"])
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


def test_the_bundle_is_sigstores_v03(signer: FileSigner) -> None:
    envelope = sealed(signer)
    assert json.loads(to_bundle(envelope)) == {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": signer.keyid}},
        "dsseEnvelope": {
            "payload": base64.b64encode(b"hello").decode(),
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"sig": base64.b64encode(envelope.signature).decode(), "keyid": signer.keyid}],
        },
    }


@given(st.binary(), st.binary(), st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_a_bundle_gives_back_its_envelope(payload: bytes, signature: bytes, keyid: str) -> None:
    envelope = Envelope(payload, signature, keyid)
    assert from_bundle(json.loads(to_bundle(envelope))) == envelope


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


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_NAMES = ["mediaType", "dsseEnvelope", "payload", "payloadType", "signatures", "sig", "keyid", "proof"]
#: JSON that comes near to a bundle.
almost_bundles = st.recursive(
    json_values | st.sampled_from([MEDIA_TYPE, PAYLOAD_TYPE, "aGVsbG8=", "="]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(_NAMES), almost_bundles, max_size=3))
def test_any_json_object_is_a_bundle_or_an_envelope_error(bundle: dict[str, Any]) -> None:
    with suppress(EnvelopeError):
        from_bundle(bundle)


_CHANGES: dict[str, tuple[tuple[str | int, ...], Any]] = {
    "another media type": (("mediaType",), MEDIA_TYPE.replace("0.3", "0.2")),
    "no media type": (("mediaType",), None),
    "another payload type": (("dsseEnvelope", "payloadType"), "application/json"),
    "no envelope": (("dsseEnvelope",), None),
    "no signature": (("dsseEnvelope", "signatures"), []),
    "signatures that are a text": (("dsseEnvelope", "signatures"), "s"),
    "a payload that is no base64": (("dsseEnvelope", "payload"), "aGVsbG8=!"),
    "a payload with a newline": (("dsseEnvelope", "payload"), "aGVs\nbG8="),
    "a payload in the other alphabet": (("dsseEnvelope", "payload"), "_-8="),
    "a payload without padding": (("dsseEnvelope", "payload"), "aGVsbG8"),
    "a payload that is not ASCII": (("dsseEnvelope", "payload"), "é==="),
    "a payload that is a number": (("dsseEnvelope", "payload"), 5),
    "a signature that is none": (("dsseEnvelope", "signatures", 0, "sig"), None),
}


@pytest.mark.parametrize(("path", "value"), _CHANGES.values(), ids=_CHANGES.keys())
def test_what_is_no_bundle_of_ours_is_refused(signer: FileSigner, path: tuple[Any, ...], value: Any) -> None:
    bundle = json.loads(to_bundle(sealed(signer)))
    place = bundle
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(EnvelopeError):
        from_bundle(bundle)


def test_a_second_signature_is_refused(signer: FileSigner) -> None:
    bundle = json.loads(to_bundle(sealed(signer)))
    bundle["dsseEnvelope"]["signatures"] *= 2
    with pytest.raises(EnvelopeError):
        from_bundle(bundle)
