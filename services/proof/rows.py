"""What the proof store holds, a record each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proof.dsse import Envelope


@dataclass(frozen=True)
class Row:
    """A signed proof in its place."""

    index: int
    request_id: str
    envelope: Envelope


@dataclass(frozen=True)
class StoredCheckpoint:
    """A checkpoint as it was signed."""

    size: int
    root: bytes
    note: str


@dataclass(frozen=True)
class LogRow:
    """Which log the file holds."""

    origin: str
    public_key: bytes
    #: Unix seconds.
    created: int
