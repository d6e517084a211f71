"""Runs that are made and not signed yet: a private folder with a file for each, which outlives this process.

A file's name is its run's request id. Its first line says what it is, and the SHA-256 of what follows: a line with the
time since which it waits (unix seconds), and the record that is to be signed. A record holds salted digests, and
neither texts nor the nonce.

A file is written whole under another name first, so no crash leaves half a run; one that dies before its client
was told anything may leave a whole run, which is signed then though nobody was promised it. What can't be signed is set
aside under the same name with an ending, and is never tried again; without the ending it is, at the next start.

Executors may share a folder: signing a run twice gives one proof, and removing it twice does nothing.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_PART: Final = ".part"
_NAME: Final = re.compile(r"prysm-[0-9a-f]{32}(|\.part|\.refused|\.damaged)")
_SINCE: Final = re.compile(rb"[0-9]{1,12}\.[0-9]{3}")
_MAGIC: Final = b"openprysm-outbox-1 "
#: Bytes of a file that are read; a record has a few thousand, and at its limits less than a tenth of this.
_MAX_FILE_BYTES: Final = 1 << 20
#: What a file takes on most disks is a multiple of this, in bytes.
_BLOCK: Final = 4096
#: Seconds after which a half-written file is nobody's any more.
_ABANDONED_S: Final = 3600.0
_log = structlog.get_logger()


class FullError(Exception):
    """The limit leaves no room for another run."""


class DamagedError(Exception):
    """A file is not what was written."""


@dataclass(frozen=True)
class Entry:
    """A run that waits."""

    request_id: str
    #: Unix seconds.
    since: float
    #: Bytes that its file takes on the disk.
    size: int


@dataclass(frozen=True)
class Backlog:
    """How much waits: for logs and metrics."""

    entries: int
    #: Seconds for which the oldest one has waited; 0 when there is none.
    oldest_s: float
    #: Files that were set aside; they wait for a person.
    aside: int
    #: Bytes that all of it takes on the disk.
    size: int


def _encode(record: bytes, since: float) -> bytes:
    body = f"{since:.3f}\n".encode() + record
    return _MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def _decode(content: bytes) -> tuple[float, bytes]:
    """Return since when a run waits, and its record.

    Raises:
        DamagedError: the bytes are not what `_encode` made.
    """
    first, _, body = content.partition(b"\n")
    if first != _MAGIC + hashlib.sha256(body).hexdigest().encode():
        raise DamagedError
    since, _, record = body.partition(b"\n")
    if not _SINCE.fullmatch(since):
        raise DamagedError
    return float(since), record


def _on_disk(content: bytes) -> int:
    return -(-len(content) // _BLOCK) * _BLOCK


class Outbox:
    """One folder. Its methods may be called in any thread; those that write wait for the disk."""

    def __init__(self, folder: Path, max_bytes: int, now: Callable[[], float] = time.time) -> None:
        """Take up what an earlier process left, the oldest first, even when it is more than `max_bytes`.

        Args:
            folder: private, and on a disk that outlives the process.
            max_bytes: that all files may take.
            now: unix seconds.

        Raises:
            OSError: the folder can't be read.
        """
        self._folder = folder
        self._max_bytes = max_bytes
        self._now = now
        self._lock = threading.Lock()
        #: By request id, the next to be tried first. This, and the next two, are for who holds the lock.
        self._entries: dict[str, Entry] = {}
        self._aside = 0
        #: Bytes of the disk, those included that are just being written.
        self._size = 0
        found = [entry for path in folder.iterdir() if (entry := self._take_up(path)) is not None]
        self._entries = {entry.request_id: entry for entry in sorted(found, key=lambda entry: entry.since)}

    def _take_up(self, path: Path) -> Entry | None:
        """Return the run of a file; None: there is none in it. What is not ours stays as it is."""
        try:
            name = _NAME.fullmatch(path.name)
            if name is None or path.is_symlink() or not path.is_file():
                _log.warning("outbox_foreign_file", name=path.name)
                return None
            if name[1] == _PART:
                if path.stat().st_mtime < self._now() - _ABANDONED_S:
                    path.unlink()
                return None
            content = self._content(path.name)
            self._size += _on_disk(content)
            if name[1]:
                self._aside += 1
                return None
            return Entry(path.name, _decode(content)[0], _on_disk(content))
        except FileNotFoundError:
            return None  # signed by somebody else just now
        except DamagedError:
            self._rename(path.name, ".damaged")
            self._aside += 1
            _log.exception("outbox_entry_damaged", request_id=path.name)
        except OSError:
            _log.exception("outbox_file_unreadable", name=path.name)
        return None

    def keep(self, request_id: str, record: bytes) -> None:
        """Keep a run; when this returns, it is on the disk. Does nothing for one that is kept already.

        Raises:
            FullError: there is no room.
            OSError: the disk refused. As with FullError nothing is kept.
        """
        since = self._now()
        content = _encode(record, since)
        size = _on_disk(content)
        with self._lock:
            if request_id in self._entries:
                return
            if self._size + size > self._max_bytes:
                raise FullError
            self._size += size
        try:
            self._write(request_id, content)
        except BaseException:
            with self._lock:
                self._size -= size
            raise
        with self._lock:
            self._entries[request_id] = Entry(request_id, since, size)

    def _write(self, name: str, content: bytes) -> None:
        path, part = self._folder / name, self._folder / (name + _PART)
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
            # Dying here leaves a run that may or may not outlive a loss of power; nobody was told of it yet.
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except BaseException:
            part.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            raise

    def next(self) -> Entry | None:
        """Return the run that is to be tried next; None: none waits."""
        with self._lock:
            return next(iter(self._entries.values()), None)

    def read(self, request_id: str) -> bytes:
        """Return the record of a run.

        Raises:
            DamagedError: see there.
            OSError: the file is gone, or the disk refused.
        """
        return _decode(self._content(request_id))[1]

    def _content(self, name: str) -> bytes:
        with (self._folder / name).open("rb") as file:
            return file.read(_MAX_FILE_BYTES)

    def postpone(self, request_id: str) -> None:
        """Let all others be tried first."""
        with self._lock:
            self._entries[request_id] = self._entries.pop(request_id)

    def remove(self, request_id: str) -> None:
        """Forget a run: it is signed. Should the file outlive a crash, it is signed again, to the same proof.

        Raises:
            OSError: the disk refused, so that the run still waits.
        """
        (self._folder / request_id).unlink(missing_ok=True)
        with self._lock:
            self._size -= self._entries.pop(request_id).size

    def set_aside(self, request_id: str, ending: Literal[".refused", ".damaged"]) -> None:
        """Try a run no more, and leave its file to a person, under its name and an ending; it counts for the limit.

        Raises:
            OSError: the disk refused, so that the run still waits.
        """
        self._rename(request_id, ending)
        with self._lock:
            del self._entries[request_id]
            self._aside += 1

    def _rename(self, name: str, ending: str) -> None:
        (self._folder / name).replace(self._folder / (name + ending))

    def backlog(self) -> Backlog:
        """Return how much waits."""
        with self._lock:
            oldest = min((entry.since for entry in self._entries.values()), default=None)
            oldest_s = 0.0 if oldest is None else max(0.0, self._now() - oldest)
            return Backlog(len(self._entries), oldest_s, self._aside, self._size)
