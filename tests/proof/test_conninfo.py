"""What the settings may say of PostgreSQL, and its password, which they may not."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from proof.postgres import conninfo
from proof.storage import StorageError

from .stores import password_file

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("postgresql://me:canary@db/prysm", "must hold no password"),
        ("host=db password=canary", "must hold no password"),
        ("postgresql://me@db/prysm?password=canary", "must hold no password"),
        ("canary", "must be a URL or conninfo"),
        ("postgresql://me:canary@[db/", "must be a URL or conninfo"),
    ],
)
def test_a_password_in_the_settings_is_refused_and_not_repeated(given: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        conninfo.checked(given)
    assert "canary" not in str(caught.value)


def test_where_the_database_is_may_be_a_url_or_conninfo_and_several_hosts() -> None:
    for good in ("postgresql://me@db/prysm", "postgresql://a:1,b:2/prysm?target_session_attrs=any", "service=prysm"):
        assert conninfo.checked(good) == good


def test_a_password_is_read_from_a_file_that_only_its_owner_may_read(folder: Path) -> None:
    path = password_file(folder, "se cret\n")
    assert conninfo.password(path) == "se cret"
    for mode in (0o644, 0o640, 0o604):
        path.chmod(mode)
        with pytest.raises(StorageError, match=f"^{path} must have mode 0600$"):
            conninfo.password(path)
    path.chmod(0o600)
    path.write_text("\n")
    with pytest.raises(StorageError, match="holds no password"):
        conninfo.password(path)
    with pytest.raises(StorageError, match="can't be read"):
        conninfo.password(folder / "none")


def test_a_proof_service_on_sqlite_imports_nothing_of_postgres() -> None:
    program = "import proof.__main__, sys; print([m for m in sys.modules if m.startswith(('psycopg', 'alembic'))])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
