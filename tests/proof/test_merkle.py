"""RFC 6962 hashing against its text, and against the vectors of Certificate Transparency."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proof.merkle import leaf_hash, node_hash, root_hash

#: Leaves and roots of trees of 1 to 8 leaves: merkle_tree_test of certificate-transparency, and of its descendants.
_LEAVES = [
    bytes.fromhex(leaf)
    for leaf in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def oracle(leaves: list[bytes]) -> bytes:
    """Return MTH(D[n]) as RFC 6962, 2.1 words it: k is the largest power of two smaller than n."""
    if len(leaves) == 0:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(bytes([0x00]) + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(bytes([0x01]) + oracle(leaves[:k]) + oracle(leaves[k:])).digest()


def test_the_empty_tree_is_the_hash_of_nothing() -> None:
    assert root_hash([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(("size", "root"), list(enumerate(_ROOTS, 1)))
def test_the_roots_are_those_of_the_vectors(size: int, root: str) -> None:
    assert root_hash(_LEAVES[:size]).hex() == root


@given(st.lists(st.binary(max_size=70), max_size=70))
def test_the_root_is_what_the_rfc_says(leaves: list[bytes]) -> None:
    assert root_hash(leaves) == oracle(leaves)


@given(st.lists(st.binary(max_size=8), min_size=2, max_size=20), st.data())
def test_no_leaf_can_be_changed_moved_or_left_out(leaves: list[bytes], data: st.DataObject) -> None:
    root = root_hash(leaves)
    place = data.draw(st.integers(0, len(leaves) - 1))
    assert root_hash([*leaves[:place], leaves[place] + b"!", *leaves[place + 1 :]]) != root
    assert root_hash(leaves[:place] + leaves[place + 1 :]) != root
    swapped = leaves[::-1]
    assert (root_hash(swapped) == root) == (swapped == leaves)


def test_a_node_is_no_leaf() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert node_hash(left, right) != leaf_hash(left + right)
