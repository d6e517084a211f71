"""Notaries over a folder, as the service's own main makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proof.anchor import Anchor
from proof.keyring import GivenKeyring, OwnKeyring
from proof.notary import Notary
from proof.sqlite.backend import SqliteBackend

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from proof.backend import Backend
    from proof.keys import LogSigner, Signer


def _live() -> None:
    """Do nothing where the service would end its process."""


def _staying(signer: Signer) -> GivenKeyring:
    return GivenKeyring(lambda: signer)


def open_notary(
    folder: Path,
    signing: Signer | GivenKeyring | OwnKeyring,
    log_signer: LogSigner,
    backend: Backend | None = None,
    die: Callable[[], None] = _live,
) -> Notary:
    """Return a notary that signs with a keyring or one signer, over a database, else over `proof.db`."""
    anchor = Anchor(folder / "log-checkpoint", log_signer.key)
    keyring = signing if isinstance(signing, GivenKeyring | OwnKeyring) else _staying(signing)
    backend = backend or SqliteBackend(folder / "proof.db")
    return Notary(keyring, log_signer, backend, anchor, lambda: 1_790_000_000.0, die)
