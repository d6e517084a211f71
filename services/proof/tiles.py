"""C2SP tlog-tiles: how a tree is cut into tiles, their paths, and nodes and entries read out of them.

Source: C2SP tlog-tiles. A tile of level L holds up to 256 hashes of the tree's level 8 L.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proof.merkle import HASH_BYTES, node_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

HEIGHT: Final = 8
WIDTH: Final = 1 << HEIGHT
#: Levels of tiles of a tree with 2^63 leaves.
MAX_LEVEL: Final = 63 // HEIGHT
#: About 40 KB each when expanded.
_KEPT_TILES: Final = 64
_ENTRIES: Final = "entries"
_PATH: Final = re.compile(
    r"(?P<level>[0-9]|[1-5][0-9]|6[0-3]|entries)/"
    r"(?P<number>(?:x[0-9]{3}/){0,6}[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


class TileError(ValueError):
    """The path is none of a tile, or the tile is not what it must be; the text says why."""


@dataclass(frozen=True)
class Tile:
    """Which tile, of hashes or of entries."""

    #: None: the entries themselves, whose hashes are the tile of level 0 with this number.
    level: int | None
    number: int
    #: Hashes or entries in it, 1..256; fewer than 256 only at the tree's right edge.
    width: int = WIDTH


def parse_path(path: str) -> Tile:
    """Read what follows `tile/`: `<level>/<number>[.p/<width>]`.

    Raises:
        TileError: it has no such form.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        raise TileError("not the path of a tile")
    groups = match["number"].replace("x", "").split("/")
    if len(groups) > 1 and groups[0] == "000":
        raise TileError("the number of a tile has no leading zeros")
    width = int(match["width"] or WIDTH)
    if width > WIDTH or (match["width"] and width == WIDTH):
        raise TileError("the width of a partial tile is 1 to 255")
    return Tile(None if match["level"] == _ENTRIES else int(match["level"]), int("".join(groups)), width)


def path_of(tile: Tile) -> str:
    """Return the path of a tile: the reverse of `parse_path`."""
    number, digits = divmod(tile.number, 1000)
    groups = [f"{digits:03}"]
    while number:
        number, digits = divmod(number, 1000)
        groups.insert(0, f"x{digits:03}")
    level = _ENTRIES if tile.level is None else str(tile.level)
    partial = "" if tile.width == WIDTH else f".p/{tile.width}"
    return f"{level}/{'/'.join(groups)}{partial}"


def exists(tile: Tile, size: int) -> bool:
    """Tell whether a tree of `size` leaves has all of the tile."""
    nodes = size >> HEIGHT * (tile.level or 0)
    return tile.number * WIDTH + tile.width <= nodes


def edge(size: int) -> Iterator[Tile]:
    """Yield the partial tiles of a tree, from its leaves up."""
    for level in range(MAX_LEVEL + 1):
        number, width = divmod(size >> HEIGHT * level, WIDTH)
        if width:
            yield Tile(level, number, width)


def extension(size: int, leaves: Sequence[bytes], edge_of: Callable[[int, int], bytes]) -> dict[tuple[int, int], bytes]:
    """Return the tiles that change when leaves are added to a tree, whole, by (level, number).

    Args:
        size: of the tree so far.
        leaves: their hashes.
        edge_of: from (level, number) to the hashes of a partial tile of the tree so far.
    """
    changed: dict[tuple[int, int], bytes] = {}
    level, added = 0, list(leaves)
    while added:
        number, width = divmod(size >> HEIGHT * level, WIDTH)
        hashes = (edge_of(level, number) if width else b"") + b"".join(added)
        added = []
        while hashes:
            tile, hashes = hashes[: WIDTH * HASH_BYTES], hashes[WIDTH * HASH_BYTES :]
            changed[level, number] = tile
            if len(tile) == WIDTH * HASH_BYTES:
                added.append(subtree_rows(tile)[HEIGHT][0])
            number += 1
        level += 1
    return changed


def subtree_rows(hashes: bytes) -> list[list[bytes]]:
    """Return the rows of complete nodes over a tile's hashes: row r holds nodes over 2^r of them."""
    row = [hashes[start : start + HASH_BYTES] for start in range(0, len(hashes), HASH_BYTES)]
    rows = [row]
    for _ in range(HEIGHT):
        row = [node_hash(row[place], row[place + 1]) for place in range(0, len(row) - 1, 2)]
        rows.append(row)
    return rows


class Expander:
    """Rows of the tiles that were used last: a tile that has only grown is not hashed anew.

    It trusts nothing: rows are of just the hashes that they are asked for with.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, int], tuple[bytes, list[list[bytes]]]] = OrderedDict()

    def rows(self, level: int, number: int, hashes: bytes) -> list[list[bytes]]:
        """Return `subtree_rows` of a tile."""
        known, rows = self._known.pop((level, number), (b"", []))
        if known and len(known) < len(hashes) and hashes.startswith(known):
            rows = _extended(rows, hashes[len(known) :])
        elif known != hashes:
            rows = subtree_rows(hashes)
        self._known[level, number] = hashes, rows
        if len(self._known) > _KEPT_TILES:
            self._known.popitem(last=False)
        return rows


def _extended(rows: list[list[bytes]], added: bytes) -> list[list[bytes]]:
    """Return rows of a tile with hashes added; those that are given stay as they are, for a reader may hold them."""
    row = rows[0] + [added[start : start + HASH_BYTES] for start in range(0, len(added), HASH_BYTES)]
    new = [row]
    for old in rows[1:]:
        start = 2 * len(old)
        row = old + [node_hash(row[place], row[place + 1]) for place in range(start, len(row) - 1, 2)]
        new.append(row)
    return new


class Nodes:
    """Nodes of a tree as `merkle.Node`, read from its tiles; a tile is read once."""

    def __init__(self, read: Callable[[int, int], bytes], expander: Expander | None = None) -> None:
        """Make a reader.

        Args:
            read: from level and number to the stored hashes of a tile, maybe more than are asked for. What it raises
                passes through.
            expander: shared between readers of the same thread.
        """
        self._read = read
        self._expander = expander or Expander()
        self._rows: dict[tuple[int, int], list[list[bytes]]] = {}

    def __call__(self, level: int, index: int) -> bytes:
        """Return the node over the leaves index << level to (index + 1) << level.

        Raises:
            TileError: the tile is too short to hold it.
        """
        tile_level, row = divmod(level, HEIGHT)
        number, place = divmod(index, WIDTH >> row)
        rows = self._rows.get((tile_level, number))
        if rows is None:
            rows = self._expander.rows(tile_level, number, self._read(tile_level, number))
            self._rows[tile_level, number] = rows
        try:
            return rows[row][place]
        except IndexError as error:
            raise TileError("a tile is too short") from error


def bundle_entries(entries: Sequence[bytes]) -> bytes:
    """Return an entry bundle: each entry after its length in two bytes, big endian."""
    return b"".join(len(entry).to_bytes(2) + entry for entry in entries)


def unbundle_entries(bundle: bytes) -> list[bytes]:
    """Read an entry bundle.

    Raises:
        TileError: it is cut off.
    """
    entries, place = [], 0
    while place < len(bundle):
        start = place + 2
        place = start + int.from_bytes(bundle[place:start])
        if start > len(bundle) or place > len(bundle):
            raise TileError("the entry bundle is cut off")
        entries.append(bundle[start:place])
    return entries
