"""`python -m proof` that dies or fails where a test says: FAULT is the point, FAULT_AFTER the batches before it.

Run as a program. The points are those of a batch: `before-sign`, `after-sign`, `before-commit`, `after-commit`, where
the process is killed; `pause`, where it stops before its commit until SIGCONT; and `eio` and `enospc`, where the disk
refuses to sync or to take the write-ahead log.
"""

from __future__ import annotations

import os
import signal
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import apsw

from chassis.config import load
from chassis.server import run
from proof import __main__ as service
from proof import keys, log

if TYPE_CHECKING:
    from collections.abc import Iterator

_FAULT: Final = os.environ.get("FAULT", "")
_continued: Final = threading.Event()
_left = int(os.environ.get("FAULT_AFTER", "3"))


def _reach(point: str) -> bool:
    """Count, and tell whether it is this point's turn: once."""
    global _left  # noqa: PLW0603 - a program of one test
    if point != _FAULT:
        return False
    _left -= 1
    return _left == -1


def _die_at(point: str) -> None:
    if _reach(point):
        os.kill(os.getpid(), signal.SIGKILL)


class _Signer(keys.LogSigner):
    def sign(self, checkpoint: Any) -> str:
        _die_at("before-sign")
        signed = super().sign(checkpoint)
        _die_at("after-sign")
        return signed


class _Log(log.Log):
    def _extend(self, head: Any, added: Any) -> Any:
        extended = super()._extend(head, added)
        _die_at("before-commit")
        if _reach("pause"):
            os.kill(os.getpid(), signal.SIGSTOP)
            _continued.wait()  # a thread runs on for a moment
        return extended

    def _anchor_to(self, signed: str) -> None:
        _die_at("after-commit")
        super()._anchor_to(signed)


class _File(apsw.VFSFile):
    """A file of SQLite on a disk that fails."""

    def __init__(self, name: Any, flags: Any) -> None:
        super().__init__("unix", name, flags)
        self._is_log = bool(flags[0] & apsw.SQLITE_OPEN_WAL)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        if self._is_log and _reach("eio"):
            raise apsw.IOError("disk")
        super().xSync(flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        if self._is_log and _reach("enospc"):
            raise apsw.FullError("full")
        super().xWrite(data, offset)


class _Disk(apsw.VFS):
    def __init__(self) -> None:
        super().__init__("failing", "unix", makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
        return _File(name, flags)


def _patches() -> Iterator[tuple[Any, str, Any]]:
    yield service, "LogSigner", _Signer
    from proof import notary  # noqa: PLC0415 - beside what it is patched with

    yield notary, "Log", _Log


if __name__ == "__main__":
    signal.signal(signal.SIGCONT, lambda *_: _continued.set())
    DISK = _Disk() if _FAULT in {"eio", "enospc"} else None
    for module, name, patch in _patches():
        setattr(module, name, patch)
    SETTINGS = load(service.ProofSettings)
    run("proof", SETTINGS, partial(service._main, SETTINGS))
