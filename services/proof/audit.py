"""Recomputes a log from its envelopes: every signature, leaf, tile, root and checkpoint, and that it only grew."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from proof import dsse, entry, keys, merkle, note, tiles
from proof.anchor import Anchor, AnchorError
from proof.storage import DamagedError

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric import ec

    from proof.rows import Row, StoredCheckpoint
    from proof.storage import Store

_ROWS: Final = 256
#: A log that is damaged all over need not fill the screen.
_MAX_FAULTS: Final = 100


@dataclass
class Findings:
    """What was looked at, and what does not hold: a line each, naming the part."""

    proofs: int = 0
    tiles: int = 0
    checkpoints: int = 0
    faults: list[str] = field(default_factory=list)

    def require(self, holds: bool, fault: str) -> None:
        """Note a fault unless it holds."""
        if not holds and len(self.faults) < _MAX_FAULTS:
            self.faults.append(fault)


class _Recomputed:
    """The tree as it must be: right edges of all levels, and the nodes of no more than that."""

    def __init__(self) -> None:
        self.size = 0
        self._levels: list[bytes] = []

    def add(self, leaf: bytes) -> list[tuple[tiles.Tile, bytes]]:
        """Add a leaf and return the tiles that it completes."""
        completed: list[tuple[tiles.Tile, bytes]] = []
        level, self.size = 0, self.size + 1
        while True:
            if level == len(self._levels):
                self._levels.append(b"")
            self._levels[level] += leaf
            number = self.size - 1 >> tiles.HEIGHT * (level + 1)
            if len(self._levels[level]) < tiles.WIDTH * merkle.HASH_BYTES:
                return completed
            hashes, self._levels[level] = self._levels[level], b""
            completed.append((tiles.Tile(level, number), hashes))
            leaf = tiles.subtree_rows(hashes)[tiles.HEIGHT][0]
            level += 1

    def edge(self) -> list[tuple[tiles.Tile, bytes]]:
        """Return the partial tiles."""
        return [(tile, self._levels[tile.level or 0]) for tile in tiles.edge(self.size)]

    def root(self) -> bytes:
        """Return the root: complete subtrees folded from the right, which are at the edges alone."""
        root = b""
        for hashes in self._levels:
            row = [hashes[start : start + merkle.HASH_BYTES] for start in range(0, len(hashes), merkle.HASH_BYTES)]
            for _ in range(tiles.HEIGHT):
                if len(row) % 2:
                    root = merkle.node_hash(row.pop(), root) if root else row[-1]
                row = [merkle.node_hash(*row[place : place + 2]) for place in range(0, len(row) - 1, 2)]
        return root or merkle.EMPTY_ROOT


class _Audit:
    def __init__(self, store: Store, log: note.LogKey) -> None:
        self._store = store
        self._log = log
        self._tree = _Recomputed()
        self._keys: dict[str, ec.EllipticCurvePublicKey | None] = {}
        self.found = Findings()

    def _key(self, keyid: str) -> ec.EllipticCurvePublicKey | None:
        if keyid not in self._keys:
            try:
                key = keys.from_pem(self._store.key(keyid) or b"")
            except keys.KeyFileError:
                key = None
            holds = key is not None and keys.keyid(key) == keyid
            self.found.require(holds, f"signing key {keyid}: missing or another one")
            self._keys[keyid] = key if holds else None
        return self._keys[keyid]

    def _row(self, row: Row) -> None:
        """Check an envelope and add its leaf to the recomputed tree."""
        name = f"proof {row.index} ({row.request_id})"
        self.found.require(row.index == self._tree.size, f"{name}: index {self._tree.size} is missing")
        key = self._key(row.envelope.keyid)
        leaf = b"\x00" * merkle.HASH_BYTES
        if key is not None:
            leaf = merkle.leaf_hash(entry.leaf(row.envelope, entry.spki(key)))
            holds = dsse.signature_holds(row.envelope, key)
            self.found.require(holds, f"{name}: the signature does not fit")
            if holds:
                said = json.loads(row.envelope.payload)["predicate"]["request_id"]
                self.found.require(said == row.request_id, f"{name}: stored under another id")
        number, place = divmod(row.index, tiles.WIDTH)
        start = place * merkle.HASH_BYTES
        stored = self._store.tile(0, number)[start : start + merkle.HASH_BYTES]
        self.found.require(stored == leaf, f"leaf {row.index} ({row.request_id}): not the hash of its envelope")
        for tile, hashes in self._tree.add(leaf):
            self._tile(tile, hashes)

    def _tile(self, tile: tiles.Tile, hashes: bytes) -> None:
        self.found.tiles += 1
        stored = self._store.tile(tile.level or 0, tile.number)
        self.found.require(stored == hashes, f"tile {tiles.path_of(tile)}: not the hashes of what is below it")

    def _checkpoint(self, stored: StoredCheckpoint) -> None:
        """Hold a checkpoint against the tree, which has just its size."""
        self.found.checkpoints += 1
        name = f"checkpoint of size {stored.size}"
        try:
            said = note.verify(stored.note, self._log)
        except note.NoteError as error:
            self.found.require(False, f"{name}: {error}")
            return
        self.found.require((said.size, said.root) == (stored.size, stored.root), f"{name}: its note says another tree")
        self.found.require(stored.root == self._tree.root(), f"{name}: not the root of the entries")

    def run(self, outside: note.Checkpoint | None) -> None:
        """Walk over all proofs once, in order; each checkpoint is checked when the walk has come to its size.

        All checkpoints are of one recomputed tree, so each is consistent with each.
        """
        due = self._store.checkpoint_over(0)
        while rows := self._store.rows(self._tree.size, _ROWS):
            for row in rows:
                before = self._tree.size
                self._row(row)
                self.found.proofs += 1
                while due is not None and due.size <= self._tree.size:
                    self._checkpoint(due)
                    due = self._store.checkpoint_over(due.size)
                if outside is not None and outside.size == self._tree.size > before:
                    holds = outside.root == self._tree.root()
                    self.found.require(holds, f"outside checkpoint of size {outside.size}: not the root of the entries")
        for tile, hashes in self._tree.edge():
            self._tile(tile, hashes)
        newest = self._store.checkpoint().size
        self.found.require(
            newest == self._tree.size, f"newest checkpoint: of {newest} entries, but {self._tree.size} are stored"
        )
        if outside is not None:
            self.found.require(
                outside.size <= self._tree.size,
                f"outside checkpoint of size {outside.size}: the store has {self._tree.size} entries, an old backup",
            )


def audit(store: Store, checkpoint: Path) -> Findings:
    """Recompute the log of a store, of which other processes may be readers and writers.

    Args:
        store: it is only read.
        checkpoint: a signed checkpoint from outside of it that the log must extend; looked at when it exists.

    Raises:
        UnavailableError: the database is not reached.
    """
    with store.snapshot():
        log = store.log()
        if log is None:
            return Findings()
        key = note.LogKey(log.origin, log.public_key)
        work, outside = _Audit(store, key), None
        try:
            outside = Anchor(checkpoint, key).read()
        except AnchorError:
            work.found.require(False, f"outside checkpoint {checkpoint}: not signed by this log")
        try:
            work.run(outside)
        except DamagedError:
            work.found.require(False, "the store: a part of it can't be read")
        return work.found
