"""Which key signs now, and which ones verifiers should know before they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar

import structlog

from proof.keys import FileSigner, KeyFileError, from_pem, keyid

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric import ec

    from proof.keys import Signer
    from proof.rotation import KeyFiles

    Publics: TypeAlias = dict[str, ec.EllipticCurvePublicKey]

_log = structlog.get_logger()
_Read = TypeVar("_Read")


class Keyring(Protocol):
    """The signing keys of a service. Owned by one thread at a time."""

    def signer(self) -> Signer:
        """Return the one that signs now; asked before each batch, so that a rotation needs no restart."""

    def tend(self, known: Collection[str], revoked: Collection[str]) -> Publics:
        """Do what is due, and return the keys by keyid that the caller publishes now, before anything else.

        Args:
            known: keyids that are published already.
            revoked: keyids that sign no more.
        """


class _Watched(Generic[_Read]):
    """What a file holds, read again whenever another one is in its place.

    A file that can't be used changes nothing but the log, by one line.
    """

    def __init__(self, path: Path, read: Callable[[Path], _Read]) -> None:
        """Read the file.

        Raises:
            KeyFileError: it can't be used.
        """
        self._path = path
        self._read = read
        # Looked at before it is read: one that is replaced meanwhile is read again.
        self._seen = self._identity()
        self._held = read(path)

    def _identity(self) -> tuple[int, ...] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns

    def look(self) -> _Read:
        """Return what the file holds, or held last."""
        seen = self._identity()
        if seen != self._seen:
            self._seen = seen
            try:
                self._held = self._read(self._path)
            except KeyFileError as error:
                _log.error("key_file_not_taken", why=str(error))
        return self._held


def _read_next(path: Path) -> Publics:
    """Read the public half of a key that is to sign later, of its own PEM or of the private one; none: no key yet."""
    if not path.exists():
        return {}
    try:
        key = from_pem(path.read_bytes())
    except OSError as error:
        raise KeyFileError(f"{path} can't be read") from error
    except KeyFileError:
        key = FileSigner(path).public_key
    return {keyid(key): key}


def follow(path: Path) -> Callable[[], Signer]:
    """Return what gives the signer of a PEM file, and follows when the file is replaced.

    Raises:
        KeyFileError: the file can't be used.
    """
    return _Watched(path, FileSigner).look


class GivenKeyring:
    """Keys that the operator replaces: in a file, or in a token."""

    def __init__(self, current: Callable[[], Signer], next_key: Path | None = None) -> None:
        """Make one.

        Args:
            current: gives the one that signs now.
            next_key: PEM file of a key to be published ahead of its use; there need not be one.

        Raises:
            KeyFileError: the file of the next key can't be used.
        """
        self._current = current
        self._next = None if next_key is None else _Watched(next_key, _read_next)

    def signer(self) -> Signer:
        """Return the one that signs now."""
        return self._current()

    def tend(self, known: Collection[str], revoked: Collection[str]) -> Publics:  # noqa: ARG002 - the operator's matter
        """Return the current key and the next one."""
        signer = self.signer()
        keys = {signer.keyid: signer.public_key} | (self._next.look() if self._next else {})
        return {name: key for name, key in keys.items() if name not in known}


class OwnKeyring:
    """The service's own key: it makes the next one ahead of its time, and lets it sign when that has come."""

    def __init__(self, files: KeyFiles, period_s: float, now: Callable[[], float]) -> None:
        """Make what is missing, and read the keys.

        Args:
            files: the two.
            period_s: seconds that a key signs; 0: for ever.
            now: unix seconds.

        Raises:
            KeyFileError: a file can't be used.
            OSError: the folder can't be written.
        """
        self._files = files
        self._period_s = period_s
        self._now = now
        self._trouble = ""
        files.tend(now(), period_s)
        self._current = _Watched(files.current, FileSigner)

    def signer(self) -> Signer:
        """Return the one that signs now."""
        return self._current.look()

    def tend(self, known: Collection[str], revoked: Collection[str]) -> Publics:
        """Promote the next key when it is due, and make the one after it. What prevents that is logged, once."""
        trouble = ""
        keys: Publics = {}
        try:
            if self._files.tend(self._now(), self._period_s, revoked):
                _log.info("signing_key_rotated", keyid=self.signer().keyid)
            if self._period_s:
                keys = _read_next(self._files.next)
            if keys.keys() - set(known):
                self._files.announce(self._now())
        except KeyFileError as error:
            trouble = str(error)
        except OSError:
            trouble = f"{self._files.current.parent} can't be written"
        if trouble and trouble != self._trouble:
            _log.error("signing_key_not_tended", why=trouble)
        self._trouble = trouble
        signer = self.signer()
        keys[signer.keyid] = signer.public_key
        return {name: key for name, key in keys.items() if name not in known}
