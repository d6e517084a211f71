"""The documents that a verifier needs: ours read back, and nobody's mistaken for ours."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from proof import trust
from proof.keys import keyid
from proof.note import LogKey
from proof.trust import SigningKey, TrustError

from .values import json_values

_LOG = LogKey("log.example", ed25519.Ed25519PrivateKey.from_private_bytes(b"\x07" * 32).public_key().public_bytes_raw())
_OTHER = LogKey("other.example", _LOG.public)
_PUBLIC = ec.derive_private_key(7, ec.SECP256R1()).public_key()
_KEYS = {keyid(_PUBLIC): SigningKey(_PUBLIC)}


def test_a_trusted_root_gives_back_its_log() -> None:
    raw = trust.trusted_root(_LOG, 1_790_000_000)
    assert trust.read_trusted_root(raw) == _LOG
    (log,) = json.loads(raw)["tlogs"]
    assert log["baseUrl"] == "https://log.example"
    assert base64.b64decode(log["logId"]["keyId"]) == _LOG.id
    assert log["publicKey"]["validFor"] == {"start": "2026-09-21T14:13:20Z"}


def test_a_jwks_gives_back_its_keys() -> None:
    raw = trust.jwks({**_KEYS, "revoked": SigningKey(_PUBLIC, 5)})
    first, second = json.loads(raw)["keys"]
    assert (first["kid"], "revoked_from" in first, second["revoked_from"]) == (keyid(_PUBLIC), False, 5)
    assert len(base64.urlsafe_b64decode(first["x"] + "=")) == 32
    (read,) = trust.read_jwks(trust.jwks({keyid(_PUBLIC): SigningKey(_PUBLIC, 5)})).values()
    assert (read.public.public_numbers(), read.revoked_from) == (_PUBLIC.public_numbers(), 5)


@given(st.binary(min_size=32, max_size=32))
def test_a_files_name_gives_back_its_key(fingerprint: bytes) -> None:
    named = "SHA256:" + base64.b64encode(fingerprint).decode().rstrip("=")
    assert trust.keyid_of(trust.file_name(named)) == named
    assert "/" not in trust.file_name(named)


def changed(raw: bytes, path: tuple[Any, ...], value: Any) -> bytes:
    whole = json.loads(raw)
    place = whole
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return json.dumps(whole).encode()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("tlogs",), []),
        (("tlogs",), None),
        (("tlogs", 0, "baseUrl"), "https://other.example"),
        (("tlogs", 0, "baseUrl"), "log.example"),
        (("tlogs", 0, "baseUrl"), 5),
        (("tlogs", 0, "logId", "keyId"), base64.b64encode(_OTHER.id).decode()),
        (("tlogs", 0, "publicKey", "rawBytes"), "AAAA"),
        (("tlogs", 0, "publicKey"), {}),
    ],
)
def test_a_trusted_root_of_nobody_is_refused(path: tuple[Any, ...], value: Any) -> None:
    with pytest.raises(TrustError):
        trust.read_trusted_root(changed(trust.trusted_root(_LOG, 0), path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("keys",), []),
        (("keys", 0, "kid"), "SHA256:" + "A" * 43),
        (("keys", 0, "kid"), []),
        (("keys", 0, "crv"), "P-384"),
        (("keys", 0, "x"), "AAAA"),
        (("keys", 0, "x"), base64.urlsafe_b64encode(b"\x01" * 32).decode().rstrip("=")),
        (("keys", 0, "revoked_from"), -1),
        (("keys", 0, "revoked_from"), True),
        (("keys", 0, "revoked_from"), "5"),
    ],
)
def test_a_jwks_of_nobody_is_refused(path: tuple[Any, ...], value: Any) -> None:
    with pytest.raises(TrustError):
        trust.read_jwks(changed(trust.jwks(_KEYS), path, value))


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()), st.sampled_from(["tlogs", "keys"]))
def test_any_bytes_are_a_trust_error(raw: bytes, name: str) -> None:
    for tried in (raw, b'{"%b":%b}' % (name.encode(), raw), b'{"%b":[%b]}' % (name.encode(), raw), b"[" * 10_000):
        with pytest.raises(TrustError):
            trust.read_trusted_root(tried)
        with pytest.raises(TrustError):
            trust.read_jwks(tried)
