"""Sigstore bundles: an envelope and its entry in the log, as JSON that strangers' tools read.

Source: Sigstore bundle v0.3 (protobuf-specs, sigstore_bundle.proto and sigstore_rekor.proto).
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from proof import entry
from proof.dsse import PAYLOAD_TYPE, Envelope

if TYPE_CHECKING:
    from collections.abc import Mapping

MEDIA_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
_MAX_INDEX: Final = 1 << 63
_MAX_PATH: Final = 64
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False)


class BundleError(ValueError):
    """It is no bundle of ours; the text says which part is wrong."""


@dataclass(frozen=True)
class LogEntry:
    """Where an envelope stands in a log, with all that proves it."""

    #: 32 bytes: `LogKey.id`.
    log_id: bytes
    index: int
    #: The entry's own bytes.
    body: bytes
    #: Of the tree that the path leads to the root of.
    size: int
    root: bytes
    #: 32 bytes each, from the leaf's sibling up.
    path: tuple[bytes, ...]
    #: Signed note over size and root.
    checkpoint: str


@dataclass(frozen=True)
class Bundle:
    """A proof as it is given away."""

    envelope: Envelope
    #: None: not logged.
    entry: LogEntry | None


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _entry_object(logged: LogEntry) -> dict[str, Any]:
    return {
        "logIndex": str(logged.index),
        "logId": {"keyId": _text(logged.log_id)},
        "kindVersion": {"kind": entry.KIND, "version": entry.VERSION},
        "inclusionProof": {
            "logIndex": str(logged.index),
            "rootHash": _text(logged.root),
            "treeSize": str(logged.size),
            "hashes": [_text(item) for item in logged.path],
            "checkpoint": {"envelope": logged.checkpoint},
        },
        "canonicalizedBody": _text(logged.body),
    }


def to_object(bundle: Bundle) -> dict[str, Any]:
    """Return the bundle as JSON's own types."""
    envelope = bundle.envelope
    material: dict[str, Any] = {"publicKey": {"hint": envelope.keyid}}
    if bundle.entry is not None:
        material["tlogEntries"] = [_entry_object(bundle.entry)]
    return {
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": material,
        "dsseEnvelope": {
            "payload": _text(envelope.payload),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": _text(envelope.signature), "keyid": envelope.keyid}],
        },
    }


def dumps(bundle: Bundle) -> bytes:
    """Return the bundle as JSON: the same bytes for the same bundle."""
    return _ENCODER.encode(to_object(bundle)).encode()


def _raw(text: Any) -> bytes:
    if not isinstance(text, str):
        raise TypeError
    raw = base64.b64decode(text, validate=True)
    if _text(raw) != text:  # bits after the end would be let be
        raise ValueError("not canonical")
    return raw


def _number(text: Any) -> int:
    """Read a 64-bit integer in the JSON form of protobuf."""
    if not isinstance(text, str) or not text.isascii() or not text.isdecimal() or len(text) > len(str(_MAX_INDEX)):
        raise TypeError
    return int(text)


def _read_entry(given: Any) -> LogEntry:
    proof = given["inclusionProof"]
    hashes, checkpoint = proof["hashes"], proof["checkpoint"]["envelope"]
    if not isinstance(checkpoint, str) or not isinstance(hashes, list) or len(hashes) > _MAX_PATH:
        raise TypeError
    if given["kindVersion"] != {"kind": entry.KIND, "version": entry.VERSION}:
        raise BundleError(f"the log entry must be a {entry.KIND} {entry.VERSION}")
    if given["logIndex"] != proof["logIndex"]:
        raise BundleError("the log entry has two indices")
    return LogEntry(
        log_id=_raw(given["logId"]["keyId"]),
        index=_number(given["logIndex"]),
        body=_raw(given["canonicalizedBody"]),
        size=_number(proof["treeSize"]),
        root=_raw(proof["rootHash"]),
        path=tuple(_raw(item) for item in hashes),
        checkpoint=checkpoint,
    )


def _read_entries(given: Any) -> LogEntry | None:
    if not isinstance(given, list) or len(given) > 1:
        raise BundleError("at most one log entry is read")
    return _read_entry(given[0]) if given else None


def read(given: Mapping[str, object]) -> Bundle:
    """Read a bundle from JSON's own types.

    Raises:
        BundleError: it is none of version 0.3 with one signature and at most one log entry.
    """
    try:
        media_type, inner = given["mediaType"], cast("Any", given["dsseEnvelope"])
        payload_type = inner["payloadType"]
        (signature,) = inner["signatures"]
        envelope = Envelope(_raw(inner["payload"]), _raw(signature["sig"]), str(signature["keyid"]))
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError("not a Sigstore bundle with a DSSE envelope of one signature") from error
    if (media_type, payload_type) != (MEDIA_TYPE, PAYLOAD_TYPE):
        raise BundleError(f"mediaType must be {MEDIA_TYPE} and payloadType {PAYLOAD_TYPE}")
    try:
        entries = cast("Any", given.get("verificationMaterial", {})).get("tlogEntries") or []
        logged = _read_entries(entries)
    except BundleError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BundleError("the log entry is not complete") from error
    return Bundle(envelope, logged)
