"""The commands about the keys that sign proofs: they read and change files and the store, and ask no service."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from chassis.config import load
from cli import checking
from proof.databases import DatabaseSettings
from proof.key_settings import KeySettings
from proof.keys import KeyFileError, from_pem, keyid
from proof.rotation import KeyFiles, TooEarlyError

if TYPE_CHECKING:
    from proof.storage import Store

app = App(name="proof-keys", help="The keys that sign proofs.")
_console: Final = Console(highlight=False)


@dataclass(frozen=True)
class Listed:
    """A key as the store and the state folder know it."""

    keyid: str
    #: `signs`, `next` (it has not signed), `retired`, or `revoked from entry …`.
    state: str
    #: Index of its first proof; None: it has not signed.
    first: int | None


def _signing(state: Path, first: dict[str, int]) -> str | None:
    """Return the keyid of the key that signs: of the file that the service keeps, else the one that came last."""
    try:
        return keyid(from_pem((state / "proof-key.pub.pem").read_bytes()))
    except (OSError, KeyFileError):
        return max(first, key=first.__getitem__, default=None)


def listed(store: Store, state: Path) -> list[Listed]:
    """Return all keys of a store, in the order in which they were published."""
    first, revoked = store.first_signed(), store.revoked()
    signing = _signing(state, first)

    def named(name: str) -> str:
        if name in revoked:
            return f"revoked from entry {revoked[name]} on"
        return "signs" if name == signing else "retired" if name in first else "next"

    return [Listed(name, named(name), first.get(name)) for name in store.keyids()]


@app.command(name="list")
def list_keys(database: Path | None = None) -> None:
    """List the keys: which one signs, which one is next, and from which entry of the log on each has signed.

    Args:
        database: SQLite file; else the database of the settings.
    """
    settings = load(DatabaseSettings)
    try:
        with checking.opened(database, settings, writable=False) as store:
            found = listed(store, settings.state.absolute())
    except checking.InputError as error:
        raise SystemExit(f"openprysm: {error}") from error
    table = Table("key", "state", "first entry", box=None)
    for key in found:
        table.add_row(key.keyid, key.state, "" if key.first is None else str(key.first))
    _console.print(table)


@app.command
def rotate(*, fresh: Annotated[bool, Parameter(negative="")] = False) -> None:
    """Let the next key sign from now on; a service that runs takes it with its next proof.

    Args:
        fresh: throw the next key away too, and sign with a new one that nobody has heard of: the keys were stolen.
    """
    settings = load(KeySettings)
    if settings.proof_key is not None or settings.proof_token is not None:
        raise SystemExit("openprysm: the signing key is your own: put another one in its place, and it is taken")
    files = KeyFiles(settings.state.absolute() / "proof-key.pem")
    try:
        files.rotate(time.time(), fresh=fresh)
    except TooEarlyError as error:
        raise SystemExit(f"openprysm: {error}; --fresh takes a new key at once") from error
    except (KeyFileError, OSError) as error:
        raise SystemExit(f"openprysm: {error}") from error
    _console.print("the next key signs from now on", soft_wrap=True)
