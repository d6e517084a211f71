"""The service's own signing key in files: the one that signs, and the next one, which is known long before it does.

`proof-key.pem` signs, `proof-key.next.pem` is next; both mode 0600. There are no other records: a file's time of change
is when its key began to sign, or to be published. Whoever copies the files without their times postpones the rotation.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from proof.keys import FileSigner, KeyFileError, ensure_key_file, ensure_private_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

_DAY_S: Final = 86_400
#: Seconds that a key is published before it signs.
LEAD_S: Final = 7 * _DAY_S


class TooEarlyError(Exception):
    """The next key has not been published for long enough; the text is one line."""


def due(signs_since: float, published: float, period_s: float) -> float:
    """Return the unix second from which on the next key signs.

    Args:
        signs_since: unix seconds; since when the current key signs.
        published: unix seconds; since when verifiers can know the next one.
        period_s: seconds that a key signs.
    """
    return max(signs_since + period_s, published + LEAD_S)


def _sync(folder: Path) -> None:
    """Bring names that have changed to the disk."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


class KeyFiles:
    """The two files. Several processes may have them: what changes them holds a lock, and looks anew under it.

    Every change is one rename or link of a complete file, so a process that dies has changed all of it or nothing.
    """

    def __init__(self, current: Path) -> None:
        self.current = current
        self.next = current.with_name(current.stem + ".next.pem")

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with self.current.with_name(self.current.stem + ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _make(self, path: Path, now: float) -> None:
        ensure_private_key(path)
        os.utime(path, (now, now))

    def _promote(self, now: float) -> None:
        # Dying between the two: the next key counts as published from now, and is promoted a week later.
        os.utime(self.next, (now, now))
        self.next.replace(self.current)
        _sync(self.current.parent)
        # Dying here: the next look makes what is missing.
        self._make(self.next, now)
        ensure_key_file(self.current)

    def tend(self, now: float, period_s: float, unusable: Collection[str] = ()) -> bool:
        """Make what is missing, and promote the next key when it is due. Return whether that happened.

        Args:
            now: unix seconds.
            period_s: seconds that a key signs; 0: for ever, and no next one is made.
            unusable: keyids that were revoked: none of them becomes the next key.

        Raises:
            KeyFileError: a file is readable by others, or holds no P-256 key.
            OSError: the folder can't be written.
        """
        with self._lock():
            if not self.current.exists():
                self._make(self.current, now)
            ensure_key_file(self.current)
            if not period_s:
                return False
            if self.next.exists() and FileSigner(self.next).keyid in unusable:
                self.next.unlink()
            if not self.next.exists():
                self._make(self.next, now)
            signs_since, published = self.current.stat().st_mtime, self.next.stat().st_mtime
            if now < due(signs_since, published, period_s):
                return False
            self._promote(now)
            return True

    def announce(self, now: float) -> None:
        """Say that the next key is published from now on, and not since it was made."""
        with self._lock():
            os.utime(self.next, (now, now))

    def rotate(self, now: float, *, fresh: bool = False) -> None:
        """Let the next key sign from now on.

        Args:
            now: unix seconds.
            fresh: throw both keys away and make new ones, of which no verifier has heard: the old ones were stolen.

        Raises:
            TooEarlyError: the next key has been published for less than a week.
            KeyFileError: there is no key of the service's own, or no next one.
        """
        with self._lock():
            if not self.current.exists():
                raise KeyFileError(f"{self.current} does not exist")
            if fresh:
                self.next.unlink(missing_ok=True)
                self._make(self.next, now)
            elif not self.next.exists():
                raise KeyFileError(f"{self.next} does not exist: the service makes it when it runs")
            FileSigner(self.next)
            early = self.next.stat().st_mtime + LEAD_S - now
            if early > 0 and not fresh:
                raise TooEarlyError(f"the next key is published for a week in {early / _DAY_S:.1f} days")
            self._promote(now)
