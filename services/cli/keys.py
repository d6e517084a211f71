"""API keys, as the operator makes, lists and revokes them."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from chassis import identity
from chassis.config import private_folder

if TYPE_CHECKING:
    from pathlib import Path

    from cli.settings import SuiteSettings


def files(settings: SuiteSettings) -> tuple[Path, bytes]:
    """Return the key file and the pepper."""
    state = private_folder(settings.state.absolute())
    pepper = identity.load_pepper(settings.key_pepper_file or state / "key-pepper")
    return settings.keys_file or state / "keys.json", pepper


def create(settings: SuiteSettings, name: str, days: int | None = None) -> str:
    """Make a key, usable for `days` or for ever, and return it."""
    path, pepper = files(settings)
    expires = None if days is None else int(datetime.now(UTC).timestamp()) + days * 86_400
    return identity.create_key(path, pepper, name, expires)


def listed(settings: SuiteSettings) -> list[identity.KeyRecord]:
    """Return all keys, oldest first."""
    path, _ = files(settings)
    return sorted(identity.read_keys(path).values(), key=lambda record: record.created)


def revoke(settings: SuiteSettings, key_id: str) -> bool:
    """Revoke a key; False when there is no such key."""
    path, _ = files(settings)
    return identity.revoke_key(path, key_id)


def development_key(settings: SuiteSettings) -> str:
    """Return the key in `dev-key` of the state folder, made with mode 0600 when it is missing or not valid any more."""
    path, pepper = files(settings)
    kept = private_folder(settings.state.absolute()) / "dev-key"
    if kept.exists():
        key = kept.read_text().strip()
        if identity.Keys(path, pepper).check(f"Bearer {key}") is not None:
            return key
    key = identity.create_key(path, pepper, "development")
    with os.fdopen(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(key + "\n")
    return key
