"""What the tests of the chassis share."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from chassis.identity import Keys

from .service import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from .service import Service

PEPPER = b"p" * 32


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return an empty 0700 folder with a path that is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="ch") as path:
        yield Path(path)


@pytest.fixture
def keys(folder: Path) -> Keys:
    """Return the keys of an empty key file, `keys.json` in the folder."""
    return Keys(folder / "keys.json", PEPPER)


@pytest_asyncio.fixture
async def service(folder: Path) -> AsyncIterator[Service]:
    """Return a service that needs no key."""
    async with serving(folder) as running:
        yield running


@pytest_asyncio.fixture
async def guarded(folder: Path, keys: Keys) -> AsyncIterator[Service]:
    """Return a service whose planner needs a key."""
    async with serving(folder, keys) as running:
        yield running
