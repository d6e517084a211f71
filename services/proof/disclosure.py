"""Disclosures: one call of a run shown to a stranger, who checks it against the public proof and learns no other.

A disclosure is the RFC 8785 form of {type, proof_hash, index, record, path, salt, input, output}: the record of the
call as the proof has it, its RFC 6962 path to the proof's `calls_root`, and of the call's two texts those that its
owner shows, with the salt of both. The salt is HMAC-SHA256(nonce, "call" ‖ index as 4 bytes, big endian), from which
neither the nonce nor another call's salt can be had.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import rfc8785

from proof import merkle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TYPE: Final = "https://openprysm.dev/disclosure/v1"
_TEXTS: Final = ("input", "output")


class DisclosureError(ValueError):
    """It can't be made or does not hold; the text says why, in one line."""


def _require(holds: bool, why: str) -> None:
    if not holds:
        raise DisclosureError(why)


def salt(nonce: bytes, index: int) -> bytes:
    """Return the salt of a call, 32 bytes."""
    return hmac.digest(nonce, b"call" + index.to_bytes(4, "big"), "sha256")


def _digest(salted: bytes, text: bytes) -> str:
    return "sha256:" + hashlib.sha256(salted + text).hexdigest()


def _path(index: int, records: Sequence[Any]) -> list[bytes]:
    """Return the path of a record to the root over all of them."""
    leaves = [rfc8785.dumps(record) for record in records]

    def node(level: int, number: int) -> bytes:
        return merkle.root_hash(leaves[number << level : number + 1 << level])

    return merkle.inclusion_path(index, len(leaves), node)


@dataclass(frozen=True)
class Texts:
    """What the owner of a transcript shows of a call; None: only its digest."""

    input: bytes | None = None
    output: bytes | None = None


def _matching(texts: Texts, record: Mapping[str, Any], salted: bytes) -> dict[str, str]:
    """Return the texts that are shown, each held against its digest."""
    shown = {}
    for name in _TEXTS:
        text, digest = getattr(texts, name), record.get(f"{name}_digest")
        if text is None:
            continue
        forms = [text, text.rstrip(b"\r\n")]
        if name == "input":  # with blanks, or in another order
            with suppress(ValueError, RecursionError):
                forms.append(rfc8785.dumps(json.loads(text)))
        fitting = [form for form in forms if _digest(salted, form) == digest]
        _require(bool(fitting), f"this is not the {name} of the call")
        shown[name] = fitting[0].decode()
    return shown


def disclose(payload: bytes, transcript: bytes, index: int, texts: Texts) -> bytes:
    """Return the disclosure of a call.

    Args:
        payload: of the proof, which has been verified.
        transcript: exact bytes of `prysm.proof.transcript`.
        index: the call's number, from 0.
        texts: what to show besides the record.

    Raises:
        DisclosureError: the transcript is of another run, there is no such call, or a text is not the call's.
    """
    try:
        said, spoken = json.loads(payload), json.loads(transcript)
        (subject,) = said["subject"]
        predicate = said["predicate"]
        _require(
            hashlib.sha256(transcript).hexdigest() == subject["digest"]["sha256"], "the transcript is of another proof"
        )
        calls = predicate["calls"]
        _require(0 <= index < len(calls), f"the run has the calls 0 to {len(calls) - 1}")
        salted = salt(bytes.fromhex(spoken["nonce"]), index)
        shown = _matching(texts, calls[index], salted)
        document: dict[str, Any] = {
            "type": TYPE,
            "proof_hash": "sha256:" + hashlib.sha256(payload).hexdigest(),
            "index": index,
            "record": calls[index],
            "path": [node.hex() for node in _path(index, calls)],
        }
        if shown:
            document |= shown | {"salt": salted.hex()}
        return rfc8785.dumps(document)
    except DisclosureError:
        raise
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise DisclosureError("the proof or the transcript is none of ours") from error


def check(disclosure: bytes, payload: bytes) -> None:
    """Hold a disclosure against the payload of a proof whose signature and records hold.

    Every bit of it counts: it has one form, and no member that is not checked.

    Raises:
        DisclosureError: something of it does not hold.
    """
    try:
        said = json.loads(disclosure)
        _require(isinstance(said, dict) and rfc8785.dumps(said) == disclosure, "it is not in its canonical form")
        _require(said["type"] == TYPE, "it is of another kind")
        texts = {name: said[name] for name in _TEXTS if name in said}
        named = {"type", "proof_hash", "index", "record", "path", *texts, *(["salt"] if texts else [])}
        _require(said.keys() == named, "it has members that nobody checks, or lacks some")
        _require(said["proof_hash"] == "sha256:" + hashlib.sha256(payload).hexdigest(), "it is of another proof")
        predicate = json.loads(payload)["predicate"]
        index, record = said["index"], said["record"]
        _require(type(index) is int and 0 <= index < len(predicate["calls"]), "the run has no such call")
        _require(record == predicate["calls"][index], "the record is not that of the call")
        path = [_raw(node) for node in said["path"]]
        root = _raw(predicate["calls_root"].removeprefix("sha256:"))
        leaf = merkle.leaf_hash(rfc8785.dumps(record))
        _require(
            merkle.includes(index, len(predicate["calls"]), leaf, path, root), "the path does not lead to the root"
        )
        for name, text in texts.items():
            fits = _digest(_raw(said["salt"]), cast("str", text).encode()) == record[f"{name}_digest"]
            _require(fits, f"the {name} is not that of the call")
    except DisclosureError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise DisclosureError("a part is missing or has the wrong type") from error


def _raw(text: str) -> bytes:
    """Read 32 bytes of hex, in their one spelling."""
    raw = bytes.fromhex(text)
    if len(raw) != merkle.HASH_BYTES or raw.hex() != text:
        raise ValueError(text)
    return raw
