"""C2SP tlog-tiles: paths, which tiles there are, and entry bundles."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proof import tiles
from proof.tiles import Tile, TileError

from . import trees

#: Examples in the text of tlog-tiles, and the ends of what it allows.
_PATHS = [
    ("0/000", Tile(0, 0)),
    ("0/x001/x234/067", Tile(0, 1_234_067)),
    ("entries/000", Tile(None, 0)),
    ("entries/x001/x234/067.p/8", Tile(None, 1_234_067, 8)),
    ("1/001.p/255", Tile(1, 1, 255)),
    ("63/999", Tile(63, 999)),
    ("2/x001/000.p/1", Tile(2, 1_000, 1)),
]


@pytest.mark.parametrize(("path", "tile"), _PATHS)
def test_paths_are_those_of_the_specification(path: str, tile: Tile) -> None:
    assert tiles.parse_path(path) == tile
    assert tiles.path_of(tile) == path


@given(st.none() | st.integers(0, 63), st.integers(0, 10**12), st.integers(1, 256))
def test_a_path_gives_back_its_tile(level: int | None, number: int, width: int) -> None:
    tile = Tile(level, number, width)
    assert tiles.parse_path(tiles.path_of(tile)) == tile


@pytest.mark.parametrize(
    "path",
    ["", "0", "0/", "0/0", "0/00", "0/0000", "0/1", "00/000", "64/000", "-1/000", "0/x000/001", "0/001/002", "0/x1/002",
     "0/000.p", "0/000.p/", "0/000.p/0", "0/000.p/256", "0/000.p/1000", "0/000.p/01", "0/000.p/1/", "/0/000", "0/000\n",
     "0/\u0660\u0660\u0660", "entry/000", "entries", "0/../000", "0/x001/x002/x003", "data/000"],
)  # fmt: skip
def test_what_is_no_path_is_a_tile_error(path: str) -> None:
    with pytest.raises(TileError):
        tiles.parse_path(path)


@given(st.text() | st.from_regex(r"[0-9x/.pentrisP]{0,30}"))
def test_any_text_is_a_path_of_the_same_tile_or_a_tile_error(text: str) -> None:
    with suppress(TileError):
        assert tiles.path_of(tiles.parse_path(text)) == text


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 1_000_000])
def test_the_tiles_of_a_tree_are_its_complete_ones_and_its_edge(size: int) -> None:
    for level in range(4):
        count = size >> 8 * level
        assert tiles.exists(Tile(level, 0, 256), size) == (count >= 256)
        if count % 256:
            assert tiles.exists(Tile(level, count // 256, count % 256), size)
            assert Tile(level, count // 256, count % 256) in list(tiles.edge(size))
        assert not tiles.exists(Tile(level, count // 256, count % 256 + 1), size)
    assert tiles.exists(Tile(None, 0, 1), size) == (size > 0)


def test_a_complete_tile_is_one_node_of_the_level_above() -> None:
    leaves = [trees.leaf(number) for number in range(256)]
    assert tiles.subtree_rows(b"".join(leaves))[8] == [trees.head(leaves)]


@given(st.lists(st.binary(max_size=600), max_size=10), st.integers(1, 20))
def test_an_entry_bundle_gives_back_its_entries_and_a_cut_is_noticed(entries: list[bytes], cut: int) -> None:
    bundle = tiles.bundle_entries(entries)
    assert tiles.unbundle_entries(bundle) == entries
    if entries:
        with suppress(TileError):
            assert tiles.unbundle_entries(bundle[:-cut]) == entries[: len(tiles.unbundle_entries(bundle[:-cut]))]
            assert len(tiles.unbundle_entries(bundle[:-cut])) < len(entries)
