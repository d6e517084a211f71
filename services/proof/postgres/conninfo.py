"""Where PostgreSQL is: what the settings may say of it, and its password, which they may not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import conninfo_to_dict

from proof.storage import StorageError

if TYPE_CHECKING:
    from pathlib import Path


def checked(value: str) -> str:
    """Return libpq's URL or conninfo, when it is one, and holds no password: environments are seen by many.

    Raises:
        ValueError: it does; the text names no value.
    """
    try:
        given = conninfo_to_dict(value)
    except psycopg.Error:
        raise ValueError("must be a URL or conninfo of libpq") from None  # libpq would quote it
    if "password" in given:
        raise ValueError("must hold no password; OPENPRYSM_PROOF_POSTGRES_PASSWORD_FILE names the file with it")
    return value


def password(path: Path) -> str:
    """Read a password from a file, less the newline at its end.

    The file is this user's with mode 0600, or one of another owner that this user's group may read too: so Kubernetes
    mounts a Secret.

    Raises:
        StorageError: it can't be read, or others can, or it is empty.
    """
    try:
        status = path.stat()
        if status.st_mode & (0o077 if status.st_uid == os.getuid() else 0o037):
            raise StorageError(f"{path} must have mode 0600")
        read = path.read_text().removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"{path} can't be read") from error
    if not read:
        raise StorageError(f"{path} holds no password")
    return read
