"""What must hold of a log after whatever happened to its process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from proof import bundle, merkle, note, tiles

if TYPE_CHECKING:
    from pathlib import Path

    from openprysm.proof.v2 import proof_pb2

    from .stores import Database


def check(database: Database, folder: Path, answers: dict[str, proof_pb2.SignResponse]) -> None:
    """Hold the log in a database against every answer that its service ever gave from the state folder.

    Every acknowledged proof is there, once, at the index that was told; indices have no gap; every checkpoint that was
    told is of a tree that the present one extends; and the audit finds nothing.
    """
    assert database.audit(folder / "log-checkpoint").faults == []
    rows: dict[str, int] = dict(database.select("SELECT request_id, log_index FROM proof"))
    stored = {
        (level, number): bytes(hashes)
        for level, number, hashes in database.select("SELECT level, number, hashes FROM tile")
    }
    assert sorted(rows.values()) == list(range(len(rows)))
    key = note.LogKey.from_vkey((folder / "log-key.vkey").read_text())
    nodes = tiles.Nodes(lambda level, number: stored.get((level, number), b""))
    now = merkle.root(len(rows), nodes)
    heads: dict[str, note.Checkpoint] = {}
    for request_id, answer in answers.items():
        told = answer.log_entry
        assert rows[request_id] == told.log_index
        if told.checkpoint not in heads:  # a batch shares one
            heads[told.checkpoint] = head = note.verify(told.checkpoint, key)
            path = merkle.consistency_path(head.size, len(rows), nodes)
            assert merkle.extends(head.size, len(rows), head.root, now, path)
        head = heads[told.checkpoint]
        entry = bundle.read(json.loads(answer.bundle)).entry
        assert entry is not None
        assert merkle.includes(entry.index, head.size, merkle.leaf_hash(entry.body), entry.path, head.root)
