"""The newest checkpoint, kept outside of the database: what tells that an old backup was restored."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from proof import note

if TYPE_CHECKING:
    from pathlib import Path


class AnchorError(Exception):
    """The file can't be read, or is no checkpoint of this log; the text is one line for the operator."""


class Anchor:
    """One file with one signed checkpoint, written after each commit.

    A process that dies between the two leaves it behind the database, never ahead of it.
    """

    def __init__(self, path: Path, key: note.LogKey) -> None:
        self.path = path
        self._key = key

    def read(self) -> note.Checkpoint | None:
        """Return the checkpoint; None when there is no file.

        Raises:
            AnchorError: it can't be read, or another log's key signed it.
        """
        try:
            return note.verify(self.path.read_text(), self._key)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise AnchorError(f"{self.path} is no checkpoint of this log") from error

    def write(self, signed: str) -> None:
        """Replace the checkpoint, durably.

        Raises:
            OSError: the disk refused.
        """
        with tempfile.NamedTemporaryFile("w", dir=self.path.parent, prefix=f"{self.path.name}-", delete=False) as file:
            try:
                file.write(signed)
                file.flush()
                os.fsync(file.fileno())
                # The folder itself is not synced: after a power loss the old file may be there, one behind.
                os.replace(file.name, self.path)  # noqa: PTH105 - the name is a text
            except BaseException:
                os.unlink(file.name)  # noqa: PTH108 - likewise
                raise
