"""A stored proof, put together with its entry in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proof import bundle, entry, merkle, note, tiles
from proof.storage import DamagedError

if TYPE_CHECKING:
    from proof.rows import Row, StoredCheckpoint


def logged(
    log: note.LogKey, row: Row, key_spki: bytes, over: StoredCheckpoint | None, nodes: merkle.Node
) -> bundle.Bundle:
    """Return a stored proof with its entry: always the same bytes, under the first checkpoint that covers it.

    Raises:
        DamagedError: a part of it is missing.
    """
    if over is None:
        raise DamagedError
    try:
        path = merkle.inclusion_path(row.index, over.size, nodes)
    except tiles.TileError as error:
        raise DamagedError from error
    body = entry.leaf(row.envelope, key_spki)
    return bundle.Bundle(
        row.envelope, bundle.LogEntry(log.id, row.index, body, over.size, over.root, tuple(path), over.note)
    )
