"""RFC 6962 Merkle trees: hashing, proofs computed from stored nodes, and their verification.

Source: RFC 6962, section 2.1; the verifications are RFC 9162's, 2.1.3.2 and 2.1.4.2. Standard library only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

HASH_BYTES: Final = 32
#: Of the tree without leaves.
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
#: From (level, index) to the hash over the leaves index << level to (index + 1) << level, all of which are there.
Node: TypeAlias = Callable[[int, int], bytes]


def leaf_hash(leaf: bytes) -> bytes:
    """Return the 32-byte hash of a leaf."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the 32-byte hash of an inner node over its children's hashes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_hash(leaves: Sequence[bytes]) -> bytes:
    """Return the 32-byte tree hash MTH(leaves); of no leaves, the hash of the empty string."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    split = _split(len(leaves))
    return node_hash(root_hash(leaves[:split]), root_hash(leaves[split:]))


def _split(size: int) -> int:
    """Return the largest power of two below a size of at least 2."""
    return 1 << (size - 1).bit_length() - 1


def _subtree(start: int, end: int, node: Node) -> bytes:
    """Return MTH of the leaves start to end, where start is a multiple of a power of two not below their number."""
    size = end - start
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return node(level, start >> level)
    split = start + _split(size)
    return node_hash(_subtree(start, split, node), _subtree(split, end, node))


def root(size: int, node: Node) -> bytes:
    """Return the root of the first `size` leaves."""
    return _subtree(0, size, node) if size else EMPTY_ROOT


def inclusion_path(index: int, size: int, node: Node) -> list[bytes]:
    """Return PATH(index, D[size]), from the leaf's sibling up.

    Raises:
        ValueError: unless 0 <= index < size.
    """
    if not 0 <= index < size:
        raise ValueError("no such leaf")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        split = start + _split(end - start)
        if index < split:
            path.append(_subtree(split, end, node))
            end = split
        else:
            path.append(_subtree(start, split, node))
            start = split
    return path[::-1]


def consistency_path(old: int, new: int, node: Node) -> list[bytes]:
    """Return PROOF(old, D[new]); empty when there is nothing to show: from no leaves, or to the same size.

    Raises:
        ValueError: unless 0 <= old <= new.
    """
    if not 0 <= old <= new:
        raise ValueError("no such pair of sizes")
    if old in {0, new}:
        return []
    path: list[bytes] = []
    start, end = 0, new
    while old != end:
        split = start + _split(end - start)
        if old <= split:
            path.append(_subtree(split, end, node))
            end = split
        else:
            path.append(_subtree(start, split, node))
            start = split
    if start:  # else what is left is the old tree itself, whose root the verifier has
        path.append(_subtree(start, end, node))
    return path[::-1]


def includes(index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes) -> bool:
    """Tell whether `path` leads from the hash of leaf `index` to the root of a tree of `size` leaves."""
    if not 0 <= index < size:
        return False
    place, last, reached = index, size - 1, leaf
    for sibling in path:
        if last == 0 or len(sibling) != HASH_BYTES:
            return False
        if place & 1 or place == last:
            reached = node_hash(sibling, reached)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            reached = node_hash(reached, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and reached == root


def extends(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Tell whether `path` proves that the tree of `old` leaves is the beginning of that of `new` ones."""
    if not 0 <= old <= new or any(len(item) != HASH_BYTES for item in path):
        return False
    if old in {0, new}:
        return not path and old_root == (new_root if old == new else EMPTY_ROOT)
    steps = [*path] if old & (old - 1) else [old_root, *path]
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old_reached = new_reached = steps[0] if steps else b""
    for item in steps[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old_reached, new_reached = node_hash(item, old_reached), node_hash(item, new_reached)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            new_reached = node_hash(new_reached, item)
        place, last = place >> 1, last >> 1
    return last == 0 and old_reached == old_root and new_reached == new_root
