"""Checking proofs and logs from files, as the command line does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from proof import audit as auditing
from proof import revocation, trust, verify
from proof.keys import KeyFileError, from_pem, keyid
from proof.note import LogKey
from proof.storage import StorageError, Store

if TYPE_CHECKING:
    from pathlib import Path


class InputError(Exception):
    """A file can't be read or is not what it should be; the text is one line."""


def file_bytes(path: Path) -> bytes:
    """Read a file.

    Raises:
        InputError: it can't be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}") from error


def _keys(path: Path) -> dict[str, trust.SigningKey]:
    """Read a PEM or a JWKS."""
    raw = file_bytes(path)
    try:
        if raw.lstrip().startswith(b"{"):
            return trust.read_jwks(raw)
        public = from_pem(raw)
    except (trust.TrustError, KeyFileError) as error:
        raise InputError(f"{path} can't be read: {error}") from error
    return {keyid(public): trust.SigningKey(public)}


def own(state: Path) -> trust.Trust:
    """Return trust in the suite whose state folder this is, in its key and its log."""
    log = LogKey.from_vkey(file_bytes(state / "log-key.vkey").decode())
    return trust.Trust(_keys(state / "proof-key.pub.pem"), log)


def parsed(proof: Path) -> dict[str, Any]:
    """Read a proof.

    Raises:
        InputError: it can't be read, or is no JSON object.
    """
    try:
        found = json.loads(file_bytes(proof))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{proof} can't be read: {error}") from error
    if not isinstance(found, dict):
        raise InputError(f"{proof} holds no proof")
    return found


def checks(
    proof: Path, key: Path | None, trusted_root: Path | None, transcript: Path | None, disclosure: Path | None = None
) -> list[verify.Check]:
    """Check a proof; see `verify.verify`.

    Raises:
        InputError: a file can't be read, or nothing was given to trust.
    """
    if key is None and trusted_root is None:
        raise InputError("--key or --trusted-root is needed: whom do you trust?")
    found = parsed(proof)
    try:
        log = trust.read_trusted_root(file_bytes(trusted_root)) if trusted_root else None
    except trust.TrustError as error:
        raise InputError(f"{trusted_root} can't be read: {error}") from error
    believed = trust.Trust(_keys(key) if key else {}, log)
    spoken, disclosed = (file_bytes(path) if path else None for path in (transcript, disclosure))
    return verify.verify(found, believed, spoken, disclosed)


def revoke(database: Path, key_id: str) -> int:
    """Revoke a signing key; see `revocation.revoke`.

    Raises:
        InputError: there is no such store, or no such key in it.
    """
    if not database.exists():
        raise InputError(f"{database} does not exist")
    try:
        store = Store(database)
        try:
            return revocation.revoke(store, key_id)
        finally:
            store.close()
    except StorageError as error:
        raise InputError(str(error)) from error
    except KeyError as error:
        raise InputError(f"no key {key_id} has signed in {database}") from error


def audit(database: Path, checkpoint: Path) -> auditing.Findings:
    """Recompute a log; see `auditing.audit`.

    Raises:
        InputError: there is no log to be read.
    """
    if not database.exists():
        raise InputError(f"{database} does not exist")
    try:
        return auditing.audit(database, checkpoint)
    except StorageError as error:
        raise InputError(str(error)) from error
