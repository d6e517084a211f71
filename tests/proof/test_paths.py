"""Inclusion and consistency paths out of tiles, against the RFC's own recursion."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proof import merkle, tiles

from . import trees

_SIZE = 64
_LEAVES = [trees.leaf(number) for number in range(1_000)]


def grown(sizes: list[int]) -> dict[tuple[int, int], bytes]:
    """Return the tiles of a tree that has grown to one size after another."""
    stored: dict[tuple[int, int], bytes] = {}
    size = 0
    for new in sizes:
        added = [trees.leaf(number) for number in range(size, new)]
        stored |= tiles.extension(size, added, lambda level, number: stored[level, number])  # noqa: B023 - not kept
        size = new
    return stored


def nodes(stored: dict[tuple[int, int], bytes]) -> tiles.Nodes:
    return tiles.Nodes(lambda level, number: stored.get((level, number), b""))


@pytest.fixture(scope="module")
def million() -> tiles.Nodes:
    return nodes(grown([10**6]))


@pytest.mark.parametrize("size", range(1, _SIZE + 1))
def test_every_leaf_of_every_small_tree_has_the_rfcs_path(size: int) -> None:
    node, leaves = nodes(grown([size])), _LEAVES[:size]
    root = merkle.root(size, node)
    assert root == trees.head(leaves)
    for index in range(size):
        path = merkle.inclusion_path(index, size, node)
        assert path == trees.path(index, leaves)
        assert merkle.includes(index, size, leaves[index], path, root)
        assert not any(
            merkle.includes(other, size, leaves[index], path, root) for other in range(size) if other != index
        )
        if path:
            assert not merkle.includes(index, size, leaves[index], path[:-1], root)
            assert not merkle.includes(index, size, leaves[index], path[1:], root)
        assert not merkle.includes(index, size, leaves[index], [*path, root], root)
        assert not merkle.includes(index, size, root, path, root) or size == 1


@pytest.mark.parametrize("new", range(_SIZE + 1))
def test_every_small_tree_extends_every_smaller_one_as_the_rfc_says(new: int) -> None:
    node = nodes(grown([_SIZE]))
    roots = [trees.head(_LEAVES[:size]) for size in range(_SIZE + 1)]
    for old in range(new + 1):
        path = merkle.consistency_path(old, new, node)
        assert path == (trees.subproof(old, _LEAVES[:new], True) if old else [])
        assert merkle.extends(old, new, roots[old], roots[new], path)
        wrong = trees.head(_LEAVES[1 : old + 1])
        if old:
            assert not merkle.extends(old, new, wrong, roots[new], path)
        if old < new:
            assert not merkle.extends(new, old, roots[new], roots[old], path)
            assert not merkle.extends(old, new, roots[old], roots[old], path) or old == 0
            if path:
                assert not merkle.extends(old, new, roots[old], roots[new], path[:-1])
        assert not merkle.extends(old, new, roots[old], roots[new], [*path, roots[0]])


@given(st.integers(1, 10**6), st.data())
@settings(max_examples=200, deadline=None)
def test_paths_in_a_tree_of_a_million(million: tiles.Nodes, size: int, data: st.DataObject) -> None:
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
    root = merkle.root(size, million)
    path = merkle.inclusion_path(index, size, million)
    assert merkle.includes(index, size, trees.leaf(index), path, root)
    between = merkle.consistency_path(old, size, million)
    assert merkle.extends(old, size, merkle.root(old, million), root, between)

    def flipped(proof: list[bytes]) -> list[bytes]:
        place, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 255))
        return [*proof[:place], (int.from_bytes(proof[place]) ^ 1 << bit).to_bytes(32), *proof[place + 1 :]]

    if path:
        assert not merkle.includes(index, size, trees.leaf(index), flipped(path), root)
    if between:
        assert not merkle.extends(old, size, merkle.root(old, million), root, flipped(between))


@given(st.lists(st.integers(1, 700), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_a_tree_is_the_same_however_it_grew(steps: list[int]) -> None:
    sizes = [sum(steps[: count + 1]) for count in range(len(steps))]
    assert grown(sizes) == grown(sizes[-1:])


def test_a_large_tree_has_the_root_of_a_plain_recursion(million: tiles.Nodes) -> None:
    size = 66_666
    assert merkle.root(size, million) == trees.head([trees.leaf(number) for number in range(size)])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 5), (5, 5), (6, 5)])
def test_a_leaf_that_is_not_there_has_no_path_and_proves_nothing(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no such leaf"):
        merkle.inclusion_path(index, size, nodes({}))
    assert not merkle.includes(index, size, _LEAVES[0], [], _LEAVES[0])


@pytest.mark.parametrize(("old", "new"), [(-1, 2), (3, 2)])
def test_a_tree_does_not_shrink(old: int, new: int) -> None:
    with pytest.raises(ValueError, match="no such pair"):
        merkle.consistency_path(old, new, nodes({}))
    assert not merkle.extends(old, new, _LEAVES[0], _LEAVES[0], [])


@given(
    st.integers(-2, 2**65),
    st.integers(-2, 2**65),
    st.lists(st.binary(max_size=33), max_size=70),
    st.binary(max_size=33),
)
def test_no_path_of_strangers_raises(first: int, second: int, path: list[bytes], root: bytes) -> None:
    assert not merkle.includes(first, second, b"\x01" * 32, path, root)
    assert not merkle.extends(first, second, b"\x01" * 32, root, path)


def test_a_tile_that_is_cut_off_is_a_tile_error() -> None:
    stored = grown([300])
    stored[0, 0] = stored[0, 0][:-32]
    with pytest.raises(tiles.TileError):
        merkle.inclusion_path(254, 300, nodes(stored))
