"""The sequencer: gives proofs their place in the log, and signs what the log has become."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from proof import entry, keys, merkle, note, tiles
from proof.anchor import AnchorError
from proof.logged import logged
from proof.rows import LogRow, Row, StoredCheckpoint
from proof.storage import DamagedError, DiskError, StorageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proof.anchor import Anchor
    from proof.bundle import Bundle
    from proof.dsse import Envelope
    from proof.keys import LogSigner
    from proof.storage import Store

BATCH = 64
_log = structlog.get_logger()


class RefusedError(Exception):
    """The log must not be extended; the text is one line for the operator."""


class Log:
    """Extends the log of one store. Owned by one thread at a time, as the store is.

    Promise: what `append` returned is on disk, and under a signed checkpoint that extends every earlier one.
    """

    def __init__(self, store: Store, signer: LogSigner, anchor: Anchor) -> None:
        self._store = store
        self._signer = signer
        self._anchor = anchor
        self._expander = tiles.Expander()
        #: SubjectPublicKeyInfo by keyid.
        self._keys: dict[str, bytes] = {}
        #: The newest checkpoint whose signature holds.
        self._verified: tuple[str, note.Checkpoint] | None = None
        #: The largest tree that this process, or the anchor, has seen signed: whatever is signed next extends it.
        self._seen = note.Checkpoint(signer.key.origin, 0, merkle.EMPTY_ROOT)
        #: The note in the anchor.
        self._anchored = ""

    def open(self, now: int) -> None:
        """Begin the log at its first start, compare it with the anchor, and take in the proofs from before it.

        After a refusal it may be called again.

        Args:
            now: unix seconds.

        Raises:
            StorageError: the file holds the log of another origin or key.
            RefusedError: as `append`.
            DiskError: as `append`.
        """
        key = self._signer.key
        with self._store.transaction():
            known = self._store.log()
            if known is None:
                self._store.begin_log(LogRow(key.origin, key.public, now))
            elif (known.origin, known.public_key) != (key.origin, key.public):
                raise StorageError(
                    f"the store holds the log of {known.origin} under its own key; a log keeps both for ever"
                )
        self._compare()
        while rows := self._store.unlogged(self._store.checkpoint().size, BATCH):
            self.append([(row.request_id, row.envelope) for row in rows])
        with self._store.transaction():
            self._store.end_unlogged()

    def _compare(self) -> None:
        """Refuse a database that is older than the anchor, or beside it; let the anchor catch up with a newer one."""
        try:
            outside = self._anchor.read()
        except AnchorError as error:
            raise RefusedError(str(error)) from error
        newest = self._store.checkpoint()
        if outside is not None:
            if outside.size > newest.size:
                raise RefusedError(
                    f"the log in the database has {newest.size} entries, but {outside.size} were signed as"
                    f" {self._anchor.path} says: an old backup was restored, so nothing is signed"
                )
            try:
                root = merkle.root(outside.size, self._nodes({}))
            except (tiles.TileError, DamagedError) as error:
                raise RefusedError("the log's tiles are damaged, so nothing is signed") from error
            if root != outside.root:
                raise RefusedError(
                    f"the log in the database is not the one that {self._anchor.path} speaks of, so nothing is signed"
                )
            self._seen = outside
            if outside.size == newest.size:
                self._anchored = newest.note
        self.follow()

    @property
    def size(self) -> int:
        """The number of entries of the largest tree that this process has seen signed."""
        return self._seen.size

    def follow(self) -> None:
        """Bring the anchor up to what others have signed: so an old backup is noticed by those too who sign nothing.

        Raises:
            RefusedError: as `append`.
            DiskError: as `append`.
        """
        newest = self._store.checkpoint()
        if newest.note == self._anchored:
            return
        self._head(newest, self._nodes({}))
        self._anchor_to(newest.note)

    def _anchor_to(self, signed: str) -> None:
        try:
            self._anchor.write(signed)
        except OSError as error:
            raise DiskError from error
        self._anchored = signed

    def _nodes(self, changed: dict[tuple[int, int], bytes]) -> tiles.Nodes:
        def read(level: int, number: int) -> bytes:
            found = changed.get((level, number))
            return self._store.tile(level, number) if found is None else found

        return tiles.Nodes(read, self._expander)

    def _head(self, newest: StoredCheckpoint, nodes: tiles.Nodes) -> note.Checkpoint:
        """Return the newest checkpoint, after making sure that the stored tree is what it says.

        Raises:
            RefusedError: it is not, or does not extend one that was signed before.
        """
        seen = self._seen
        if newest.size < seen.size:
            raise RefusedError(f"the log has shrunk from {seen.size} to {newest.size} entries, so nothing is signed")
        if not newest.size:
            return seen
        try:
            if self._verified is None or self._verified[0] != newest.note:
                self._verified = newest.note, note.verify(newest.note, self._signer.key)
            head = self._verified[1]
            holds = (head.size, head.root) == (newest.size, newest.root) and merkle.root(head.size, nodes) == head.root
            # What another process has signed meanwhile, maybe on another database, is not taken on trust.
            extends = head == seen or merkle.root(seen.size, nodes) == seen.root
        except (note.NoteError, tiles.TileError, DamagedError) as error:
            raise RefusedError("the log's newest checkpoint or tiles are damaged, so nothing is signed") from error
        if not holds:
            raise RefusedError("the log's tiles do not add up to its newest checkpoint, so nothing is signed")
        if not extends:
            raise RefusedError(
                f"the log of {newest.size} entries does not extend the one of {seen.size} that was signed before,"
                " so nothing is signed"
            )
        self._seen = head
        return head

    def append(self, given: Sequence[tuple[str, Envelope]]) -> list[Bundle]:
        """Log envelopes under their request ids, at most `BATCH`, and return what is now stored under each.

        An id that was there already keeps its proof. When this returns, all of it is on disk. When it
        raises, or the process dies within, all of it may be there after a restart, or nothing: who asks again finds
        out.

        Raises:
            RefusedError: signing would fork or shrink the log, or it is damaged; nothing was written.
            DamagedError: what is stored under one of the ids can't be read.
            DiskError: the disk failed; the process must end.
            UnavailableError: the database is not reached, or said nothing of the commit.
        """
        store = self._store
        with store.transaction():
            nodes = self._nodes({})
            head = self._head(store.checkpoint(), nodes)
            rows = store.find(request_id for request_id, _ in given)
            known = set(rows)
            added: list[Row] = []
            for request_id, envelope in given:
                if request_id not in rows:
                    rows[request_id] = Row(head.size + len(added), request_id, envelope)
                    added.append(rows[request_id])
            if added:
                newest, nodes = self._extend(head, added)
        if added:
            # Committed and not answered: a process that dies here has callers that ask again and find their proof, and
            # an anchor that is behind until the next start.
            self._seen = note.Checkpoint(head.origin, newest.size, newest.root)
            self._anchor_to(newest.note)
        proofs = {
            request_id: logged(
                self._signer.key,
                row,
                self._key(row.envelope.keyid),
                (store.checkpoint_over(row.index) if request_id in known else newest),
                nodes,
            )
            for request_id, row in rows.items()
        }
        return [proofs[request_id] for request_id, _ in given]

    def _extend(self, head: note.Checkpoint, added: Sequence[Row]) -> tuple[StoredCheckpoint, tiles.Nodes]:
        """Write new proofs, what becomes of the tiles, and a checkpoint over them, within a transaction."""
        store = self._store
        for keyid in {row.envelope.keyid for row in added}:
            if store.revoked_from(keyid) is not None:
                raise RefusedError(f"the signing key {keyid} was revoked, so nothing is signed with it")
        store.add(added)
        leaves = [merkle.leaf_hash(entry.leaf(row.envelope, self._key(row.envelope.keyid))) for row in added]
        changed = tiles.extension(head.size, leaves, store.tile)
        nodes = self._nodes(changed)
        size = head.size + len(added)
        new = note.Checkpoint(head.origin, size, merkle.root(size, nodes))
        path = merkle.consistency_path(head.size, size, nodes)
        if not merkle.extends(head.size, size, head.root, new.root, path):
            raise RefusedError("the new tree does not extend the old one, so nothing is signed")
        for (level, number), hashes in changed.items():
            store.put_tile(level, number, hashes)
        # A signature that is never committed harms nobody: it is of a tree that only this process has seen.
        newest = StoredCheckpoint(size, new.root, self._signer.sign(new))
        store.add_checkpoint(newest)
        self._verified = newest.note, new
        return newest, nodes

    def _key(self, keyid: str) -> bytes:
        """Return a key of the store as SubjectPublicKeyInfo.

        Raises:
            RefusedError: the file does not hold it as it was.
        """
        if keyid not in self._keys:
            try:
                key = keys.from_pem(self._store.key(keyid) or b"")
            except (keys.KeyFileError, DamagedError) as error:
                raise RefusedError("a stored signing key is damaged, so nothing is signed") from error
            if keys.keyid(key) != keyid:
                raise RefusedError("a stored signing key is another one, so nothing is signed")
            self._keys[keyid] = entry.spki(key)
        return self._keys[keyid]
