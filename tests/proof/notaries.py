"""Notaries over a folder, as the service's own main makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proof.anchor import Anchor
from proof.notary import Notary
from proof.sqlite.backend import SqliteBackend

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from proof.backend import Backend
    from proof.keys import FileSigner, LogSigner


def _live() -> None:
    """Do nothing where the service would end its process."""


def open_notary(
    folder: Path,
    signer: FileSigner,
    log_signer: LogSigner,
    backend: Backend | None = None,
    die: Callable[[], None] = _live,
) -> Notary:
    """Return a notary over a database, else over `proof.db`, with `log-checkpoint` as its anchor."""
    anchor = Anchor(folder / "log-checkpoint", log_signer.key)
    backend = backend or SqliteBackend(folder / "proof.db")
    return Notary(signer, log_signer, backend, anchor, lambda: 1_790_000_000.0, die)
