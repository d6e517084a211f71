"""Who calls: API keys `prysm_sk_<id>_<secret>`, kept as HMAC-SHA256 digests in a file.

The file holds no secret: a digest needs the pepper, which stands in a file of its own that only its owner may read.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
import tempfile
import time
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

import structlog

from chassis.config import is_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_SHAPE = re.compile(r"prysm_sk_([A-Za-z0-9]{8,32})_([A-Za-z0-9_-]{32,128})")
#: RFC 7235: the scheme is case-insensitive.
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +(\S+)")
_PEPPER_BYTES = 32

_log = structlog.get_logger()


@dataclass(frozen=True)
class KeyRecord:
    """One key as it is stored. Times are unix seconds."""

    id: str
    name: str
    #: HMAC-SHA256 of the whole key under the pepper, hex.
    digest: str
    created: int
    expires: int | None = None
    revoked: int | None = None

    def usable(self, now: float) -> bool:
        """Tell whether the key is neither revoked nor expired."""
        return self.revoked is None and (self.expires is None or now < self.expires)


@dataclass(frozen=True)
class Client:
    """The caller, as far as a service needs to know it."""

    key_id: str
    #: The whole key as it was presented, to derive others from. In no repr, so that it reaches neither logs nor errors.
    key: str = field(repr=False)


#: The caller of the RPC that runs; set by the interceptor on methods that need a key.
current_client: ContextVar[Client] = ContextVar("current_client")


def load_pepper(path: Path) -> bytes:
    """Read the pepper, made with mode 0600 at first use.

    Raises:
        PermissionError: others may read the file.
        ValueError: it is not 32 bytes in hex.
    """
    if not path.exists():
        # Written whole under another name first: no other process, and no crash, sees half a pepper.
        with tempfile.NamedTemporaryFile("w", dir=path.parent) as file:
            file.write(secrets.token_hex(_PEPPER_BYTES))
            file.flush()
            os.fsync(file.fileno())
            with suppress(FileExistsError):
                path.hardlink_to(file.name)
    if not is_private(path):
        raise PermissionError(f"{path} must have mode 0600")
    try:
        pepper = bytes.fromhex(path.read_text("ascii").strip())
    except ValueError:
        pepper = b""
    if len(pepper) < _PEPPER_BYTES:
        raise ValueError(f"{path} must hold {_PEPPER_BYTES} bytes in hex")
    return pepper


def _digest(pepper: bytes, key: str) -> str:
    return hmac.new(pepper, key.encode(), hashlib.sha256).hexdigest()


def _is_sound(record: KeyRecord) -> bool:
    """Tell whether every field has the type that it says; JSON can't promise it."""
    times = (record.created, record.expires or 0, record.revoked or 0)
    return (
        all(isinstance(text, str) for text in (record.id, record.name, record.digest))
        and record.digest.isascii()
        and all(isinstance(time, int) for time in times)
    )


def read_keys(path: Path) -> dict[str, KeyRecord]:
    """Return the stored keys by id; none when there is no file.

    Raises:
        ValueError: the file is not a key file.
    """
    try:
        records = [KeyRecord(**entry) for entry in json.loads(path.read_text("utf-8"))["keys"]]
    except FileNotFoundError:
        return {}
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not a key file") from error
    if not all(map(_is_sound, records)):
        raise ValueError(f"{path} is not a key file")
    return {record.id: record for record in records}


@contextmanager
def _rewriting(path: Path) -> Iterator[dict[str, KeyRecord]]:
    """Hand out the stored keys and write them back, one writer at a time, in one atomic step."""
    with path.with_name(path.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        records = read_keys(path)
        yield records
        fresh = path.with_name(path.name + ".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({"keys": [asdict(record) for record in records.values()]}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)


def create_key(path: Path, pepper: bytes, name: str, expires: int | None = None) -> str:
    """Store a new key and return it: the only time that it is seen."""
    key_id = secrets.token_hex(8)
    key = f"prysm_sk_{key_id}_{secrets.token_urlsafe(32)}"
    with _rewriting(path) as records:
        records[key_id] = KeyRecord(key_id, name, _digest(pepper, key), int(time.time()), expires)
    return key


def revoke_key(path: Path, key_id: str) -> bool:
    """Mark a key as revoked; False when there is no such key."""
    with _rewriting(path) as records:
        if key_id not in records:
            return False
        records[key_id] = replace(records[key_id], revoked=records[key_id].revoked or int(time.time()))
        return True


class Keys:
    """Checks keys against the file, which it reads again when it changes."""

    def __init__(self, path: Path, pepper: bytes, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._pepper = pepper
        self._clock = clock
        self._records: dict[str, KeyRecord] = {}
        self._version: tuple[int, int, int] | None = None
        #: Compared when the id is unknown, so that this takes as long as a wrong secret.
        self._nobody = _digest(pepper, secrets.token_hex())

    def _refresh(self) -> None:
        """Read the file again when it has changed; the look at it costs microseconds, so it is taken every time."""
        try:
            status = self._path.stat()
            version = (status.st_mtime_ns, status.st_size, status.st_ino)
            if version == self._version:
                return
            self._version = version  # a broken file, too, is read and reported once
            self._records = read_keys(self._path)
        except FileNotFoundError:
            self._records, self._version = {}, None
        except (OSError, ValueError):
            # The last good file stays in force: a half-edited one must not lock everybody out, nor let anybody in.
            _log.exception("keys_file_unreadable")

    def check(self, authorization: str) -> Client | None:
        """Return the caller that an Authorization header stands for, or None. Takes one HMAC whatever is wrong."""
        now = self._clock()
        self._refresh()
        bearer = _BEARER.fullmatch(authorization)
        shape = _SHAPE.fullmatch(bearer[1]) if bearer else None
        key = shape[0] if shape else ""
        record = self._records.get(shape[1]) if shape else None
        matches = hmac.compare_digest(_digest(self._pepper, key), record.digest if record else self._nobody)
        return Client(record.id, key) if record and matches and record.usable(now) else None
