"""What a verifier needs to trust: the log's key and the signing keys, and the documents that publish them.

Sources: Sigstore TrustedRoot v0.1 (sigstore_trustroot.proto), RFC 7517 (JWKS), RFC 7518, 6.2 (EC keys).
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from proof.keys import keyid
from proof.note import LogKey, NoteError

if TYPE_CHECKING:
    from collections.abc import Mapping

MEDIA_TYPE: Final = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
_KEY_TYPE: Final = "PKIX_ED25519"
_COORDINATE_BYTES: Final = 32


class TrustError(ValueError):
    """The document is none of ours, or names no usable key; the text says which."""


def _require(holds: bool, why: str) -> None:
    if not holds:
        raise TrustError(why)


@dataclass(frozen=True)
class SigningKey:
    """A key that signs proofs, or did."""

    public: ec.EllipticCurvePublicKey
    #: Set when it was revoked: what it signed holds only below this index of the log.
    revoked_from: int | None = None


@dataclass(frozen=True)
class Trust:
    """Whom a verifier believes."""

    #: By keyid. Empty: whatever key the trusted log's own entry names.
    keys: Mapping[str, SigningKey] = field(default_factory=dict)
    #: None: the log is not looked at, and a revoked key's proofs fail.
    log: LogKey | None = None


def trusted_root(log: LogKey, since: int) -> bytes:
    """Return the Sigstore trusted root of a log that exists since a unix time in seconds."""
    return json.dumps(
        {
            "mediaType": MEDIA_TYPE,
            "tlogs": [
                {
                    # Verifiers compare its host with the checkpoint's origin.
                    "baseUrl": f"https://{log.origin}",
                    "hashAlgorithm": "SHA2_256",
                    "publicKey": {
                        "rawBytes": base64.b64encode(log.spki).decode(),
                        "keyDetails": _KEY_TYPE,
                        "validFor": {"start": f"{datetime.fromtimestamp(since, UTC):%Y-%m-%dT%H:%M:%SZ}"},
                    },
                    "logId": {"keyId": base64.b64encode(log.id).decode()},
                }
            ],
            "certificateAuthorities": [],
            "ctlogs": [],
            "timestampAuthorities": [],
        },
        indent=2,
    ).encode()


def read_trusted_root(raw: bytes) -> LogKey:
    """Read the log's key out of a trusted root.

    Raises:
        TrustError: it is none, or has not exactly one log with an Ed25519 key.
    """
    try:
        (log,) = json.loads(raw)["tlogs"]
        key: Any = load_der_public_key(base64.b64decode(log["publicKey"]["rawBytes"], validate=True))
        origin = urlsplit(log["baseUrl"]).hostname
        _require(isinstance(key, ed25519.Ed25519PublicKey), "the log of a trusted root needs an Ed25519 key")
        read = LogKey(origin or "", key.public_bytes(Encoding.Raw, PublicFormat.Raw))
        named = base64.b64decode(log["logId"]["keyId"], validate=True)
        _require(named == read.id, "the trusted root names another log than its key does")
    except (TrustError, NoteError) as error:
        raise TrustError(str(error)) from error
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise TrustError("not a Sigstore trusted root with one log") from error
    return read


def _url_text(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(_COORDINATE_BYTES)).decode().rstrip("=")


def _coordinate(text: Any) -> int:
    if not isinstance(text, str):
        raise TypeError
    raw = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    if len(raw) != _COORDINATE_BYTES:
        raise ValueError("length")
    return int.from_bytes(raw)


def file_name(keyid: str) -> str:
    """Return the name of a key's PEM file without its end: the fingerprint in the URL's alphabet."""
    return keyid.removeprefix("SHA256:").replace("+", "-").replace("/", "_")


def keyid_of(file_name: str) -> str:
    """Return the keyid: the reverse of `file_name`."""
    return "SHA256:" + file_name.replace("-", "+").replace("_", "/")


def jwks(keys: Mapping[str, SigningKey]) -> bytes:
    """Return keys by keyid as a JWKS; `revoked_from` is a member of our own (RFC 7517, 4)."""
    listed = []
    for kid, key in keys.items():
        point = key.public.public_numbers()
        listed.append(
            {
                "kty": "EC",
                "crv": "P-256",
                "x": _url_text(point.x),
                "y": _url_text(point.y),
                "use": "sig",
                "alg": "ES256",
                "kid": kid,
            }
            | ({} if key.revoked_from is None else {"revoked_from": key.revoked_from})
        )
    return json.dumps({"keys": listed}, indent=2).encode()


def read_jwks(raw: bytes) -> dict[str, SigningKey]:
    """Read the signing keys of a JWKS, by keyid.

    Raises:
        TrustError: it is none, holds no key, or one that is not P-256 or has another's `kid`.
    """
    keys: dict[str, SigningKey] = {}
    try:
        for item in json.loads(raw)["keys"]:
            _require((item["kty"], item["crv"]) == ("EC", "P-256"), "a key of the JWKS is not P-256")
            numbers = ec.EllipticCurvePublicNumbers(_coordinate(item["x"]), _coordinate(item["y"]), ec.SECP256R1())
            bound = item.get("revoked_from")
            _require(bound is None or (type(bound) is int and bound >= 0), "revoked_from must be an index of the log")
            key = SigningKey(numbers.public_key(), bound)
            _require(keyid(key.public) == item["kid"], "a key of the JWKS has another's kid")
            keys[item["kid"]] = key
    except TrustError:
        raise
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise TrustError("not a JWKS of P-256 keys") from error
    if not keys:
        raise TrustError("the JWKS holds no key")
    return keys
