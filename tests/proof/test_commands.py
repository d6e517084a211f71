"""`openprysm audit` and `revoke-key`, on the database that the settings name."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from proof.log import RefusedError

from .records import record
from .stores import Postgres, both, on_postgres

if TYPE_CHECKING:
    from pathlib import Path

    from proof.keys import FileSigner
    from proof.notary import Notary

    from .stores import Database


def command(folder: Path, settings: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli", *words],
        env={**os.environ, "OPENPRYSM_STATE": str(folder), **settings},
        capture_output=True,
        text=True,
        check=False,
    )


@both
async def test_an_audit_reads_a_store_in_use_and_names_what_does_not_hold(
    notary: Notary, database: Database, folder: Path
) -> None:
    for number in range(3):
        await notary.sign(record(number))
    done = command(folder, database.settings, "audit")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "3 proofs, 1 tiles, 3 checkpoints\nthe log holds\n"
    database.change("UPDATE proof SET signature = ? WHERE log_index = 1", b"forged")
    done = command(folder, database.settings, "audit")
    assert done.returncode == 1
    assert f"FAIL proof 1 ({record(1).request_id}): the signature does not fit" in done.stdout


@both
async def test_a_key_is_revoked_where_its_proofs_are(
    notary: Notary, signer: FileSigner, database: Database, folder: Path
) -> None:
    await notary.sign(record(0))
    done = command(folder, database.settings, "revoke-key", signer.keyid)
    assert (done.returncode, f"revoked {signer.keyid} from entry 1 on" in done.stdout) == (0, True), done
    with pytest.raises(RefusedError, match="was revoked"):
        await notary.sign(record(1))


@on_postgres
def test_a_database_that_is_not_there_is_one_line(database: Postgres, folder: Path) -> None:
    for where in (f"host={folder} dbname=prysm", database.server.conninfo("nobody")):
        done = command(folder, {"OPENPRYSM_PROOF_POSTGRES": where}, "audit")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert done.stderr.startswith("openprysm: PostgreSQL is not reached: ")
