"""Trees as RFC 6962 words them, slowly: what the proof service's tests compare with."""

from __future__ import annotations

import hashlib


def leaf(number: int) -> bytes:
    """Return the hash of a leaf that is the number."""
    return hashlib.sha256(b"\x00" + str(number).encode()).digest()


def largest_power_below(size: int) -> int:
    """Return the largest power of two smaller than n, by doubling."""
    k = 1
    while k * 2 < size:
        k *= 2
    return k


def head(leaves: list[bytes]) -> bytes:
    """Return MTH over leaf hashes (2.1)."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = largest_power_below(len(leaves))
    return hashlib.sha256(b"\x01" + head(leaves[:k]) + head(leaves[k:])).digest()


def path(index: int, leaves: list[bytes]) -> list[bytes]:
    """Return PATH(m, D[n]) (2.1.1)."""
    if len(leaves) == 1:
        return []
    k = largest_power_below(len(leaves))
    if index < k:
        return [*path(index, leaves[:k]), head(leaves[k:])]
    return [*path(index - k, leaves[k:]), head(leaves[:k])]


def subproof(old: int, leaves: list[bytes], whole: bool) -> list[bytes]:
    """Return SUBPROOF(m, D[n], b) (2.1.2)."""
    if old == len(leaves):
        return [] if whole else [head(leaves)]
    k = largest_power_below(len(leaves))
    if old <= k:
        return [*subproof(old, leaves[:k], whole), head(leaves[k:])]
    return [*subproof(old - k, leaves[k:], False), head(leaves[:k])]
