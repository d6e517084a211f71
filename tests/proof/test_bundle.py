"""Sigstore bundles: the form that strangers read, and what is none of ours."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proof import bundle
from proof.bundle import MEDIA_TYPE, Bundle, BundleError, LogEntry
from proof.dsse import Envelope

from .values import NAMES, almost_bundles

_ENTRY = LogEntry(b"l" * 32, 5, b"body", 9, b"r" * 32, (b"a" * 32, b"b" * 32), "checkpoint\n")
_BUNDLE = Bundle(Envelope(b"hello", b"signature", "SHA256:key"), _ENTRY)
_AT = ("verificationMaterial", "tlogEntries", 0)
_PROOF = (*_AT, "inclusionProof")


def text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def test_the_bundle_is_sigstores_v03() -> None:
    assert json.loads(bundle.dumps(_BUNDLE)) == {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            "publicKey": {"hint": "SHA256:key"},
            "tlogEntries": [
                {
                    "logIndex": "5",
                    "logId": {"keyId": text(b"l" * 32)},
                    "kindVersion": {"kind": "hashedrekord", "version": "0.0.2"},
                    "inclusionProof": {
                        "logIndex": "5",
                        "rootHash": text(b"r" * 32),
                        "treeSize": "9",
                        "hashes": [text(b"a" * 32), text(b"b" * 32)],
                        "checkpoint": {"envelope": "checkpoint\n"},
                    },
                    "canonicalizedBody": text(b"body"),
                }
            ],
        },
        "dsseEnvelope": {
            "payload": text(b"hello"),
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"sig": text(b"signature"), "keyid": "SHA256:key"}],
        },
    }


def test_a_proof_that_is_not_logged_has_no_entries() -> None:
    assert bundle.to_object(Bundle(_BUNDLE.envelope, None))["verificationMaterial"] == {
        "publicKey": {"hint": "SHA256:key"}
    }


_entries = st.builds(
    LogEntry,
    log_id=st.binary(),
    index=st.integers(0, 2**63),
    body=st.binary(),
    size=st.integers(0, 2**63),
    root=st.binary(),
    path=st.lists(st.binary(), max_size=64).map(tuple),
    checkpoint=st.text(alphabet=st.characters(exclude_categories=["Cs"])),
)
_envelopes = st.builds(Envelope, st.binary(), st.binary(), st.text(alphabet=st.characters(exclude_categories=["Cs"])))


@given(st.builds(Bundle, _envelopes, st.none() | _entries))
def test_a_bundle_gives_back_what_is_in_it(whole: Bundle) -> None:
    assert bundle.read(json.loads(bundle.dumps(whole))) == whole


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(NAMES), almost_bundles, max_size=3))
def test_any_json_object_is_a_bundle_or_a_bundle_error(given_object: dict[str, Any]) -> None:
    with suppress(BundleError):
        bundle.read(given_object)
    with suppress(BundleError):
        bundle.read({**bundle.to_object(_BUNDLE), **given_object})


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
    "a payload with bits at its end": (("dsseEnvelope", "payload"), "aGVsbG9="),
    "two log entries": ((*_AT[:2],), [{}, {}]),
    "entries that are a text": ((*_AT[:2],), "entries"),
    "an empty entry": (_AT, {}),
    "another kind": ((*_AT, "kindVersion", "kind"), "dsse"),
    "an older version": ((*_AT, "kindVersion", "version"), "0.0.1"),
    "no path": ((*_PROOF, "hashes"), None),
    "an endless path": ((*_PROOF, "hashes"), ["AAAA"] * 65),
    "an index that is a number": ((*_AT, "logIndex"), 5),
    "two indices": ((*_AT, "logIndex"), "6"),
    "an index below none": ((*_PROOF, "logIndex"), "-5"),
    "a size in other digits": ((*_PROOF, "treeSize"), "٣"),
    "a size without end": ((*_PROOF, "treeSize"), "9" * 5000),
    "a checkpoint that is none": ((*_PROOF, "checkpoint", "envelope"), None),
    "no log": ((*_AT, "logId"), None),
    "a body that is no base64": ((*_AT, "canonicalizedBody"), "{}"),
}


@pytest.mark.parametrize(("path", "value"), _CHANGES.values(), ids=_CHANGES.keys())
def test_what_is_no_bundle_of_ours_is_refused(path: tuple[Any, ...], value: Any) -> None:
    whole = json.loads(bundle.dumps(_BUNDLE))
    place = whole
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(BundleError):
        bundle.read(whole)


def test_a_second_signature_is_refused() -> None:
    whole = json.loads(bundle.dumps(_BUNDLE))
    whole["dsseEnvelope"]["signatures"] *= 2
    with pytest.raises(BundleError):
        bundle.read(whole)
