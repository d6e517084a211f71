"""Revoking a signing key, with a bound in the log that says which of its proofs keep holding."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proof.storage import Store


def revoke(store: Store, keyid: str) -> int:
    """Revoke a signing key from the log's next index on, and return that; a second time changes nothing.

    Processes that run notice before they sign with it again.

    Raises:
        KeyError: no such key has signed here.
    """
    with store.transaction():
        if store.key(keyid) is None:
            raise KeyError(keyid)
        bound = store.revoked_from(keyid)
        if bound is None:
            bound = store.checkpoint().size
            store.revoke(keyid, bound)
        return bound
