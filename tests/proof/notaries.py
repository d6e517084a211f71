"""Notaries over a folder, as the service's own main makes them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from proof.anchor import Anchor
from proof.keyring import GivenKeyring, OwnKeyring
from proof.notary import Notary
from proof.storage import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from proof.keys import LogSigner, Signer


def _live() -> None:
    """Do nothing where the service would end its process."""


def _staying(signer: Signer) -> GivenKeyring:
    return GivenKeyring(lambda: signer)


def open_notary(
    folder: Path, signing: Signer | GivenKeyring | OwnKeyring, log_signer: LogSigner, die: Callable[[], None] = _live
) -> Notary:
    """Return a notary over `proof.db` that signs with a keyring or one signer, and `log-checkpoint` as its anchor."""
    anchor = Anchor(folder / "log-checkpoint", log_signer.key)
    store = partial(Store, folder / "proof.db")
    keyring = signing if isinstance(signing, GivenKeyring | OwnKeyring) else _staying(signing)
    return Notary(keyring, log_signer, store, anchor, lambda: 1_790_000_000.0, die)
