"""The newest checkpoint, kept outside of the database: what tells that an old backup was restored."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from proof import note

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Bytes of a place in the file, as many as a disk writes at once.
_PLACE: Final = 4096
#: Seconds in which the disk itself has what was written.
_SYNC_S: Final = 1.0


class AnchorError(Exception):
    """The file can't be read, or holds no checkpoint of this log; the text is one line for the operator."""


class Anchor:
    """One file with the two newest checkpoints, written in turn after each commit.

    In place and without waiting for the disk, since a proof is answered behind it: a process that dies leaves it at
    most one behind the database, a machine that loses power at most a second, and neither ever ahead of it. What is
    half written then is not signed, and the other checkpoint counts.
    """

    def __init__(self, path: Path, key: note.LogKey, clock: Callable[[], float] = time.monotonic) -> None:
        """Make one over a file that need not exist; it is opened at the first write, and owned until the end."""
        self.path = path
        self._key = key
        self._clock = clock
        self._file: int | None = None
        #: Where the next checkpoint goes.
        self._next = 0
        self._synced = -_SYNC_S

    def read(self) -> note.Checkpoint | None:
        """Return the newest checkpoint; None when there is no file.

        Raises:
            AnchorError: it can't be read, or another log's key signed it.
        """
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise AnchorError(f"{self.path} is no checkpoint of this log") from error
        newest, failure = None, None
        for place in (0, 1):
            try:
                found = note.verify(raw[place * _PLACE :][:_PLACE].rstrip(b"\0").decode(), self._key)
            except ValueError as error:
                failure = error
                continue
            if newest is None or found.size > newest.size:
                newest, self._next = found, 1 - place
        if newest is None:
            raise AnchorError(f"{self.path} is no checkpoint of this log") from failure
        return newest

    def write(self, signed: str) -> None:
        """Keep a checkpoint in the place of the older one.

        Raises:
            OSError: the disk refused.
        """
        if self._file is None:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if os.fstat(self._file).st_size < 2 * _PLACE:
                os.ftruncate(self._file, 2 * _PLACE)
        os.pwrite(self._file, signed.encode().ljust(_PLACE, b"\0"), self._next * _PLACE)
        self._next = 1 - self._next
        if self._clock() - self._synced >= _SYNC_S:
            os.fdatasync(self._file)
            self._synced = self._clock()

    def close(self) -> None:
        """Bring what was written to the disk, and close the file."""
        if self._file is not None:
            os.fdatasync(self._file)
            os.close(self._file)
            self._file = None
