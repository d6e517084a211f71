"""The commands about proofs and their log: they read files and the database, and ask no service."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations
from typing import Final

from rich.console import Console

from chassis.config import load
from cli import ask, checking
from proof.databases import DatabaseSettings

_console: Final = Console(highlight=False)


def _failure(error: checking.InputError) -> SystemExit:
    """Return an end with status 1 and one line."""
    return SystemExit(f"openprysm: {error}")


def verify_proof(
    proof: Path,
    *,
    key: Path | None = None,
    trusted_root: Path | None = None,
    transcript: Path | None = None,
    disclosure: Path | None = None,
) -> None:
    """Check a proof offline, step by step; exit status 1 when it does not hold. One of key and trusted root is needed.

    Args:
        proof: JSON of the bundle, or of GET /v1/proof/{id}.
        key: PEM of the key that signed it, or the JWKS with all keys; else the key that the log's entry names.
        trusted_root: of the log, as /.well-known/prysm/trusted_root.json; without it the log is not looked at.
        transcript: exact bytes of prysm.proof.transcript.
        disclosure: one call of the run, as its owner disclosed it.
    """
    try:
        made = checking.checks(proof, key, trusted_root, transcript, disclosure)
    except checking.InputError as error:
        raise _failure(error) from error
    sys.exit(not ask.show_checks(_console, made))


def audit(database: Path | None = None, *, checkpoint: Path | None = None) -> None:
    """Recompute every leaf, tile, root and signature of a proof store; exit status 1 when one does not hold.

    Args:
        database: SQLite file; else the database of the settings. It is only read, and may be in use.
        checkpoint: an earlier checkpoint that the log must extend; else the one that the suite keeps.
    """
    settings = load(DatabaseSettings)
    try:
        found = checking.audit(database, settings, checkpoint or settings.state.absolute() / "log-checkpoint")
    except checking.InputError as error:
        raise _failure(error) from error
    for line in found.faults:
        _console.print(f"[red]FAIL[/] {line}", soft_wrap=True)
    _console.print(f"{found.proofs} proofs, {found.tiles} tiles, {found.checkpoints} checkpoints", soft_wrap=True)
    _console.print("[bold red]the log is damaged[/]" if found.faults else "[bold green]the log holds[/]")
    sys.exit(bool(found.faults))


def revoke_key(key_id: str, database: Path | None = None) -> None:
    """Revoke a key that signs proofs: what it has signed keeps holding, and nothing is signed with it any more.

    Args:
        key_id: `SHA256:…`, as proofs and the JWKS name it.
        database: SQLite file; else the database of the settings.
    """
    try:
        bound = checking.revoke(database, load(DatabaseSettings), key_id)
    except checking.InputError as error:
        raise _failure(error) from error
    _console.print(
        f"revoked {key_id} from entry {bound} on; sign with another one: openprysm proof-keys rotate", soft_wrap=True
    )
