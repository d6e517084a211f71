"""What the proof service's tests share."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from proof.keys import FileSigner, ensure_key_file
from proof.notary import Notary
from proof.storage import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return an empty 0700 folder with a path that is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="pr") as path:
        yield Path(path)


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> FileSigner:
    """Return a signer with a key of this session's own."""
    path = tmp_path_factory.mktemp("key") / "key.pem"
    ensure_key_file(path)
    return FileSigner(path)


@pytest.fixture
async def notary(folder: Path, signer: FileSigner) -> AsyncIterator[Notary]:
    """Return a notary over `proof.db` in the folder."""
    running = Notary(signer, partial(Store, folder / "proof.db"))
    running.start()
    yield running
    await running.stop()
