"""What is stored, checked each time it is read: damage is never shown as if it were a proof."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from proof import dsse, entry, keys, merkle, note, statement, tiles, trust
from proof.logged import logged
from proof.storage import DamagedError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

    from proof.bundle import Bundle
    from proof.rows import Row
    from proof.storage import Store

_KEPT_CHECKPOINTS: Final = 1024


class CorruptError(Exception):
    """What is stored is not what was signed."""


class Archive:
    """Reads one store. Owned by one thread at a time, as the store is."""

    def __init__(self, store: Store, log: note.LogKey) -> None:
        self._store = store
        #: Whose log it is.
        self.log = log
        self._keys: dict[str, ec.EllipticCurvePublicKey] = {}
        self._expander = tiles.Expander()
        # One batch shares a checkpoint, and its signature costs as much as all the rest.
        self._verified = lru_cache(_KEPT_CHECKPOINTS)(self._verify)

    def _nodes(self) -> tiles.Nodes:
        return tiles.Nodes(self._store.tile, self._expander)

    def _verify(self, signed: str) -> note.Checkpoint:
        return note.verify(signed, self.log)

    def get(self, request_id: str) -> Bundle | None:
        """Return the proof of an orchestration with its entry in the log.

        Raises:
            CorruptError: signature, id, leaf, path or checkpoint do not hold.
        """
        if not statement.REQUEST_ID.fullmatch(request_id):
            return None
        try:
            row = self._store.get(request_id)
            return None if row is None else self._read(row)
        except DamagedError as error:
            raise CorruptError from error

    def _read(self, row: Row) -> Bundle:
        key = self.key(row.envelope.keyid)
        if key is None:
            raise CorruptError
        found = logged(self.log, row, entry.spki(key), self._store.checkpoint_over(row.index), self._nodes())
        self.check(row.request_id, found)
        return found

    def check(self, request_id: str, found: Bundle) -> None:
        """Check a proof that the sequencer found stored already, or that was read here.

        Raises:
            CorruptError: something of it does not hold.
        """
        key, place = self.key(found.envelope.keyid), found.entry
        if key is None or place is None or not dsse.signature_holds(found.envelope, key):
            raise CorruptError
        if json.loads(found.envelope.payload)["predicate"]["request_id"] != request_id:
            raise CorruptError
        bound = self._store.revoked_from(found.envelope.keyid)
        if bound is not None and place.index >= bound:
            raise CorruptError  # no process of ours has logged it: whoever has the revoked key has the database too
        try:
            checkpoint = self._verified(place.checkpoint)
        except note.NoteError as error:
            raise CorruptError from error
        if (checkpoint.size, checkpoint.root) != (place.size, place.root) or not merkle.includes(
            place.index, place.size, merkle.leaf_hash(place.body), place.path, place.root
        ):
            raise CorruptError

    def key(self, keyid: str) -> ec.EllipticCurvePublicKey | None:
        """Return a key that has signed here; the id is made of the key, so another one can't take its place.

        Raises:
            CorruptError: it is not the key that it was.
        """
        try:
            if keyid not in self._keys and (pem := self._store.key(keyid)):
                key = keys.from_pem(pem)
                self._keys[keys.keyid(key)] = key
        except (keys.KeyFileError, DamagedError) as error:
            raise CorruptError from error
        return self._keys.get(keyid)

    def trust(self) -> trust.Trust:
        """Return whom a verifier of this log's proofs believes: all keys ever, and what was revoked."""
        revoked = self._store.revoked()
        known = {}
        for keyid in self._store.keyids():
            public = self.key(keyid)
            if public is None:
                raise CorruptError
            known[keyid] = trust.SigningKey(public, revoked.get(keyid))
        return trust.Trust(known, self.log)

    def since(self) -> int:
        """Return the unix second in which the log began."""
        log = self._store.log()
        if log is None:
            raise CorruptError
        return log.created

    def size(self) -> int:
        """Return the number of entries under the newest checkpoint."""
        return self._store.checkpoint().size

    def checkpoint(self) -> str:
        """Return the newest checkpoint as a signed note; of an empty log, nothing.

        Raises:
            CorruptError: it is not what was signed.
        """
        newest = self._store.checkpoint()
        try:
            if newest.note and self._verified(newest.note).size != newest.size:
                raise CorruptError
        except note.NoteError as error:
            raise CorruptError from error
        return newest.note

    def consistency(self, old: int, new: int) -> list[bytes] | None:
        """Return the proof that the log of `old` entries is the beginning of that of `new`; None: no such sizes.

        Raises:
            CorruptError: the stored tiles do not prove it.
        """
        if not 0 <= old <= new <= self.size():
            return None
        nodes = self._nodes()
        try:
            path = merkle.consistency_path(old, new, nodes)
            roots = merkle.root(old, nodes), merkle.root(new, nodes)
            newest = self._store.checkpoint()
            if merkle.root(newest.size, nodes) != (newest.root or merkle.EMPTY_ROOT):
                raise CorruptError
        except (tiles.TileError, DamagedError) as error:
            raise CorruptError from error
        if not merkle.extends(old, new, *roots, path):
            raise CorruptError
        return path

    def tile(self, wanted: tiles.Tile) -> bytes | None:
        """Return a tile, or the entries below one; None: the log has no such tile under its newest checkpoint.

        Raises:
            CorruptError: it does not add up to the tile above it, or to the checkpoint.
        """
        newest = self._store.checkpoint()
        if not tiles.exists(wanted, newest.size):
            return None
        level, number = wanted.level or 0, wanted.number
        try:
            hashes = self._store.tile(level, number)
            if len(hashes) < wanted.width * merkle.HASH_BYTES:
                raise CorruptError
            if tiles.exists(tiles.Tile(level, number), newest.size):
                above, place = divmod(number, tiles.WIDTH)
                start = place * merkle.HASH_BYTES
                upper = self._store.tile(level + 1, above)[start : start + merkle.HASH_BYTES]
                holds = self._expander.rows(level, number, hashes)[tiles.HEIGHT][0] == upper
            else:
                holds = merkle.root(newest.size, self._nodes()) == newest.root
            if not holds:
                raise CorruptError
            hashes = hashes[: wanted.width * merkle.HASH_BYTES]
            return hashes if wanted.level is not None else self._entries(wanted, hashes)
        except (tiles.TileError, DamagedError) as error:
            raise CorruptError from error

    def _entries(self, wanted: tiles.Tile, hashes: bytes) -> bytes:
        """Return the entry bundle, each entry made anew from its envelope and held against its leaf hash."""
        leaves = []
        for row in self._store.rows(wanted.number * tiles.WIDTH, wanted.width):
            key = self.key(row.envelope.keyid)
            if key is None:
                raise CorruptError
            leaves.append(entry.leaf(row.envelope, entry.spki(key)))
        if b"".join(map(merkle.leaf_hash, leaves)) != hashes:
            raise CorruptError
        return tiles.bundle_entries(leaves)
