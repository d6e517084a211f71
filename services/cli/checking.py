"""Checking proofs and logs from files, as the command line does."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from proof import audit as auditing
from proof import databases, revocation, trust, verify
from proof.keys import KeyFileError, from_pem, keyid
from proof.note import LogKey
from proof.storage import StorageError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from proof.storage import Store


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


@contextmanager
def opened(database: Path | None, settings: databases.DatabaseSettings, *, writable: bool) -> Iterator[Store]:
    """Open the store of the file, else of the settings.

    Raises:
        InputError: there is none, or it can't be used.
    """
    if database is not None:
        settings = settings.model_copy(update={"proof_db": database, "proof_postgres": None})
    try:
        store = databases.existing(settings, writable=writable)
        try:
            yield store
        finally:
            store.close()
    except (StorageError, UnavailableError) as error:
        raise InputError(str(error)) from error


def revoke(database: Path | None, settings: databases.DatabaseSettings, key_id: str) -> int:
    """Revoke a signing key; see `revocation.revoke`.

    Raises:
        InputError: there is no such store, or no such key in it.
    """
    with opened(database, settings, writable=True) as store:
        try:
            return revocation.revoke(store, key_id)
        except KeyError as error:
            raise InputError(f"no key {key_id} has signed in this store") from error


def audit(database: Path | None, settings: databases.DatabaseSettings, checkpoint: Path) -> auditing.Findings:
    """Recompute a log; see `auditing.audit`.

    Raises:
        InputError: there is no log to be read.
    """
    with opened(database, settings, writable=False) as store:
        return auditing.audit(store, checkpoint)
