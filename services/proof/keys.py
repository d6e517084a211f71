"""Signing keys: what a signer is, and those that keep their key in a file."""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from chassis.config import is_private
from proof import note

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes


class KeyFileError(Exception):
    """The key can't be used; the text is one line for the operator."""


class SignerError(Exception):
    """The key's backend does not sign at the moment; the text is one line for the operator."""


class Signer(Protocol):
    """Signs with a P-256 key that never leaves its backend."""

    @property
    def keyid(self) -> str:
        """`SHA256:` and the unpadded base64 of the OpenSSH fingerprint."""

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The public half."""

    def sign(self, message: bytes) -> bytes:
        """Return the DER signature over SHA-256 of `message`.

        Raises:
            SignerError: its backend does not sign now.
        """


def keyid(public_key: ec.EllipticCurvePublicKey) -> str:
    """Return the key's OpenSSH fingerprint (RFC 4253 blob, RFC 5656), unpadded: the form that cosign looks up."""
    line = public_key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    blob = base64.b64decode(line.split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def to_pem(public_key: ec.EllipticCurvePublicKey) -> bytes:
    """Return the key as a PEM SubjectPublicKeyInfo."""
    return public_key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def from_pem(pem: bytes) -> ec.EllipticCurvePublicKey:
    """Read a PEM SubjectPublicKeyInfo.

    Raises:
        KeyFileError: it is none of a P-256 key.
    """
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFileError("not a PEM public key") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyFileError("not a P-256 public key")
    return key


def private_bytes(path: Path) -> bytes:
    """Read a file that only its owner may read.

    Raises:
        KeyFileError: it is missing, or readable by others.
    """
    try:
        if not is_private(path):
            raise KeyFileError(f"{path} must have mode 0600")
        return path.read_bytes()
    except OSError as error:
        raise KeyFileError(f"{path} can't be read") from error


def _load_private(path: Path) -> PrivateKeyTypes:
    """Read a PEM file that only its owner may read.

    Raises:
        KeyFileError: it is missing, readable by others, or holds no unencrypted key.
    """
    try:
        return serialization.load_pem_private_key(private_bytes(path), password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise KeyFileError(f"{path} holds no unencrypted PEM key") from error


class FileSigner:
    """A key in a PEM file that only its owner may read. Signatures are deterministic (RFC 6979)."""

    def __init__(self, path: Path) -> None:
        """Load the key.

        Raises:
            KeyFileError: the file is missing, readable by others, or holds no unencrypted P-256 key.
        """
        key = _load_private(path)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise KeyFileError(f"{path} holds no P-256 key")
        self._key = key
        self._algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        self.public_key = key.public_key()
        self.keyid = keyid(self.public_key)

    def sign(self, message: bytes) -> bytes:
        """Return the DER signature over SHA-256 of `message`."""
        return self._key.sign(message, self._algorithm)


class LogSigner:
    """The key of the log in a PEM file that only its owner may read."""

    def __init__(self, path: Path, origin: str) -> None:
        """Load the key of the log `origin`.

        Raises:
            KeyFileError: as FileSigner, for an Ed25519 key.
        """
        key = _load_private(path)
        if not isinstance(key, ed25519.Ed25519PrivateKey):
            raise KeyFileError(f"{path} holds no Ed25519 key")
        self._key = key
        self.key = note.LogKey(origin, key.public_key().public_bytes_raw())

    def sign(self, checkpoint: note.Checkpoint) -> str:
        """Return the signed note of a checkpoint."""
        return note.sign(checkpoint, self.key, self._key)


def _ensure(path: Path, key: PrivateKeyTypes) -> None:
    """Write `key` with mode 0600 when there is no file."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    # Written whole under another name first, mode 0600: a crash here leaves no half key behind, and of several
    # that start at once one gives the key to all.
    with tempfile.NamedTemporaryFile(dir=path.parent) as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(file.name)


def ensure_private_key(path: Path) -> None:
    """Make a signing key with mode 0600 when there is none."""
    if not path.exists():
        _ensure(path, ec.generate_private_key(ec.SECP256R1()))


def ensure_key_file(path: Path) -> None:
    """Make a signing key when there is none, and publish its public half beside it as `<stem>.pub.pem`."""
    ensure_private_key(path)
    publish(FileSigner(path).public_key, path.with_name(path.stem + ".pub.pem"))


def publish(key: ec.EllipticCurvePublicKey, path: Path) -> None:
    """Write a public key as PEM, for whoever may read the folder; one in its place is replaced as a whole."""
    pem = to_pem(key)
    if path.exists() and path.read_bytes() == pem:
        return
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(pem)
    unnamed = path.parent / file.name
    unnamed.chmod(0o644)
    unnamed.replace(path)


def ensure_log_key_file(path: Path) -> None:
    """Make the key of a new log with mode 0600 when there is none. A log that exists must keep its own."""
    if not path.exists():
        _ensure(path, ed25519.Ed25519PrivateKey.generate())
