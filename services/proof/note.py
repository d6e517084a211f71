"""C2SP signed notes and checkpoints, and the Ed25519 key of a log.

Sources: C2SP signed-note (text, signatures, verifier keys), C2SP tlog-checkpoint (the three lines).
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from proof.merkle import HASH_BYTES

_ED25519: Final = b"\x01"
_KEY_BYTES: Final = 32
_HASH_BYTES: Final = 4
_MAX_NOTE: Final = 1 << 16
#: The em dash and the blank that a signature's line begins with.
_MARK: Final = "\u2014 "
_NAME: Final = re.compile(r"[^\s+\ud800-\udfff]{1,255}")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")
#: Control characters but the newline, and what has no UTF-8 form.
_FORBIDDEN: Final = re.compile(r"[\x00-\x09\x0b-\x1f\ud800-\udfff]")


class NoteError(ValueError):
    """The text is no note, checkpoint or key, or its signature does not hold; the text says which."""


def _decode(text: str, what: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise NoteError(f"{what} is not base64") from error
    if base64.b64encode(raw).decode() != text:
        raise NoteError(f"{what} is not canonical base64")
    return raw


@dataclass(frozen=True)
class LogKey:
    """Who a log is: its origin and its public key."""

    #: A host name without a port: verifiers compare it with the host in the trusted root.
    origin: str
    #: Ed25519, 32 bytes.
    public: bytes

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.origin):
            raise NoteError("an origin has no blanks and no plus sign")
        if len(self.public) != _KEY_BYTES:
            raise NoteError("a log's key has 32 bytes")

    @property
    def id(self) -> bytes:
        """The key id in full, 32 bytes; a signature's line has the first four."""
        return hashlib.sha256(self.origin.encode() + b"\n" + _ED25519 + self.public).digest()

    @property
    def vkey(self) -> str:
        """The key as a verifier key: origin+hash+base64."""
        return f"{self.origin}+{self.id[:_HASH_BYTES].hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"

    @property
    def spki(self) -> bytes:
        """The key as DER SubjectPublicKeyInfo."""
        return ed25519.Ed25519PublicKey.from_public_bytes(self.public).public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @classmethod
    def from_vkey(cls, text: str) -> LogKey:
        """Read a verifier key.

        Raises:
            NoteError: it is none of Ed25519, or its hash is another key's.
        """
        parts = text.strip("\n").split("+", 2)
        if len(parts) != 3:  # noqa: PLR2004 - name, hash, key
            raise NoteError("not a verifier key")
        raw = _decode(parts[2], "the key")
        if raw[:1] != _ED25519:
            raise NoteError("not an Ed25519 verifier key")
        key = cls(parts[0], raw[1:])
        if key.id[:_HASH_BYTES].hex() != parts[1]:
            raise NoteError("the key's hash is another key's")
        return key


@dataclass(frozen=True)
class Checkpoint:
    """What a log commits itself to: its size and root."""

    origin: str
    size: int
    #: 32 bytes.
    root: bytes

    @property
    def text(self) -> str:
        """The lines that are signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def sign(checkpoint: Checkpoint, key: LogKey, private: ed25519.Ed25519PrivateKey) -> str:
    """Return the checkpoint as a note with one signature. Deterministic (RFC 8032)."""
    signature = key.id[:_HASH_BYTES] + private.sign(checkpoint.text.encode())
    return f"{checkpoint.text}\n{_MARK}{key.origin} {base64.b64encode(signature).decode()}\n"


def _parse(text: str) -> Checkpoint:
    origin, size, root, *_ = [*text.split("\n"), "", ""]
    if not _NAME.fullmatch(origin) or not _SIZE.fullmatch(size):
        raise NoteError("not a checkpoint")
    checkpoint = Checkpoint(origin, int(size), _decode(root, "the root"))
    if len(checkpoint.root) != HASH_BYTES:
        raise NoteError("the root must have 32 bytes")
    return checkpoint


def _signatures(lines: str) -> list[tuple[str, bytes]]:
    """Return name and raw signature of each line."""
    found = []
    for line in lines.removesuffix("\n").split("\n"):
        name, _, signature = line.removeprefix(_MARK).partition(" ")
        if not line.startswith(_MARK) or not _NAME.fullmatch(name):
            raise NoteError("not a signed note")
        raw = _decode(signature, "a signature")
        if len(raw) <= _HASH_BYTES:
            raise NoteError("a signature is too short")
        found.append((name, raw))
    return found


def verifies(public: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether an Ed25519 signature is the key's over the message (RFC 8032)."""
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def verify(note: str, key: LogKey) -> Checkpoint:
    """Return the checkpoint of a note that the log's key has signed. Signatures of others, as of witnesses, are let be.

    Raises:
        NoteError: it is no checkpoint, of another log, or not signed by this one.
    """
    text, mark, lines = note.rpartition("\n\n")
    if len(note) > _MAX_NOTE or _FORBIDDEN.search(note) or not mark or not lines.endswith("\n"):
        raise NoteError("not a signed note")
    text += "\n"
    checkpoint = _parse(text)
    if checkpoint.origin != key.origin:
        raise NoteError("a checkpoint of another log")
    ours = [
        raw[_HASH_BYTES:]
        for name, raw in _signatures(lines)
        if name == key.origin and raw[:_HASH_BYTES] == key.id[:_HASH_BYTES]
    ]
    if not ours:
        raise NoteError("not signed by this log")
    if not all(verifies(key.public, signature, text.encode()) for signature in ours):
        raise NoteError("the log's signature does not fit")
    return checkpoint
