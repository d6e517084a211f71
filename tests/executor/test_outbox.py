"""A folder of runs that wait: nothing that was kept is lost, nothing that is not ours is touched."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from executor.outbox import DamagedError, FullError, Outbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROOM = 1 << 20
BLOCK = 4096
RECORD = b"\x0a\x26prysm\n\n\x00record"


def name(number: int) -> str:
    return f"prysm-{number:032x}"


class Clock:
    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


def waiting(outbox: Outbox) -> list[str]:
    """Empty an outbox as a relay does; return the names in the order in which they were tried."""
    names = []
    while (entry := outbox.next()) is not None:
        names.append(entry.request_id)
        outbox.remove(entry.request_id)
    return names


def test_what_is_kept_is_a_private_file_and_there_for_the_next_process_until_it_is_removed(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, ROOM)
    outbox.keep(name(1), RECORD)
    (file,) = tmp_path.iterdir()
    assert (file.name, stat.S_IMODE(file.stat().st_mode)) == (name(1), 0o600)
    for again in (outbox, Outbox(tmp_path, ROOM)):
        entry = again.next()
        assert entry is not None
        assert again.read(entry.request_id) == RECORD
    outbox.remove(name(1))
    assert list(tmp_path.iterdir()) == []
    assert outbox.next() is None
    assert outbox.backlog().size == 0


def test_the_oldest_is_first_also_after_a_restart_and_one_that_is_postponed_is_last(tmp_path: Path) -> None:
    clock = Clock()
    outbox = Outbox(tmp_path, ROOM, clock)
    for number in (3, 1, 2):
        clock.now += 10
        outbox.keep(name(number), RECORD)
    assert outbox.backlog().oldest_s == 20
    outbox.postpone(name(3))
    assert waiting(Outbox(tmp_path, ROOM, clock)) == [name(3), name(1), name(2)]
    assert outbox.backlog().oldest_s == 20
    assert waiting(outbox) == [name(1), name(2), name(3)]
    assert outbox.backlog().oldest_s == 0


def test_a_clock_that_was_set_back_makes_nothing_older_than_it_is(tmp_path: Path) -> None:
    clock = Clock()
    outbox = Outbox(tmp_path, ROOM, clock)
    outbox.keep(name(1), RECORD)
    clock.now -= 3600
    assert outbox.backlog().oldest_s == 0


def test_a_full_one_takes_nothing_and_what_leaves_makes_room(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, 2 * BLOCK)
    outbox.keep(name(1), RECORD)
    outbox.keep(name(2), RECORD)
    outbox.keep(name(2), RECORD)  # takes no more room the second time
    with pytest.raises(FullError):
        outbox.keep(name(3), RECORD)
    assert sorted(path.name for path in tmp_path.iterdir()) == [name(1), name(2)]
    outbox.remove(name(1))
    outbox.keep(name(3), RECORD)
    outbox.set_aside(name(2), ".refused")
    with pytest.raises(FullError):  # what is aside is on the disk still
        outbox.keep(name(4), RECORD)


def test_a_smaller_limit_loses_nothing_of_what_is_there(tmp_path: Path) -> None:
    for number in range(3):
        Outbox(tmp_path, ROOM).keep(name(number), RECORD)
    smaller = Outbox(tmp_path, BLOCK)
    with pytest.raises(FullError):
        smaller.keep(name(3), RECORD)
    assert len(waiting(smaller)) == 3


def test_one_that_is_set_aside_is_tried_again_only_when_a_person_says_so(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, ROOM)
    outbox.keep(name(1), RECORD)
    outbox.set_aside(name(1), ".refused")
    for one in (outbox, Outbox(tmp_path, ROOM)):
        assert one.next() is None
        assert (one.backlog().entries, one.backlog().aside, one.backlog().size) == (0, 1, BLOCK)
    (tmp_path / f"{name(1)}.refused").rename(tmp_path / name(1))
    again = Outbox(tmp_path, ROOM)
    assert again.read(name(1)) == RECORD
    assert waiting(again) == [name(1)]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda _: b"",
        lambda content: content + b"\0",
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: b"\0" * len(content),
        lambda content: content.replace(b"-1 ", b"-2 ", 1),
        lambda content: content.replace(b"17", b"71", 1),
    ],
    ids=["cut by one", "cut in half", "empty", "longer", "a bit", "zeros", "of another version", "another time"],
)
def test_a_torn_file_is_set_aside_and_holds_nobody_up(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    outbox = Outbox(tmp_path, ROOM, Clock())
    outbox.keep(name(1), RECORD)
    outbox.keep(name(2), RECORD)
    torn = tmp_path / name(1)
    torn.write_bytes(spoil(torn.read_bytes()))
    with pytest.raises(DamagedError):
        outbox.read(name(1))
    with capture_logs() as lines:
        again = Outbox(tmp_path, ROOM)
    assert [line["event"] for line in lines] == ["outbox_entry_damaged"]
    assert (again.backlog().aside, waiting(again)) == (1, [name(2)])
    assert [path.name for path in tmp_path.iterdir()] == [f"{name(1)}.damaged"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.booleans())
def test_no_file_of_our_name_keeps_an_executor_from_starting(tmp_path: Path, content: bytes, known: bool) -> None:
    (tmp_path / name(1)).write_bytes(b"openprysm-outbox-1 " * known + content)
    assert Outbox(tmp_path, ROOM).next() is None
    assert (tmp_path / f"{name(1)}.damaged").read_bytes().endswith(content)


def test_what_is_not_ours_stays_as_it_is_and_is_told(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("not ours")
    folder = tmp_path / "outbox"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    (folder / f"{name(1)}.json").write_text("{}")
    (folder / "prysm-short").write_text("")
    (folder / name(2)).symlink_to(elsewhere)
    (folder / name(3)).mkdir()
    os.mkfifo(folder / name(4))
    before = sorted(path.name for path in folder.iterdir())
    with capture_logs() as lines:
        outbox = Outbox(folder, ROOM)
    assert sorted(line["name"] for line in lines if line["event"] == "outbox_foreign_file") == before
    assert outbox.next() is None
    assert outbox.backlog().size == 0
    assert sorted(path.name for path in folder.iterdir()) == before
    assert elsewhere.read_text() == "not ours"


def test_a_half_written_file_is_left_to_who_may_be_writing_it_and_removed_when_nobody_can_be(tmp_path: Path) -> None:
    part = tmp_path / f"{name(1)}.part"
    part.write_bytes(b"half")
    assert Outbox(tmp_path, ROOM).next() is None
    assert part.exists()
    os.utime(part, (0, 0))
    assert Outbox(tmp_path, ROOM).next() is None
    assert not part.exists()


@pytest.mark.parametrize("call", [1, 2], ids=["of the file", "of the folder"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_what_the_disk_did_not_take_is_not_kept_and_takes_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int, number: int
) -> None:
    outbox, calls = Outbox(tmp_path, BLOCK), iter(range(1, 9))
    sync = os.fsync

    def fail(file: int) -> None:
        if next(calls) == call:
            raise OSError(number, os.strerror(number))
        sync(file)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match=os.strerror(number)):
            outbox.keep(name(1), RECORD)
    assert list(tmp_path.iterdir()) == []
    assert outbox.next() is None
    outbox.keep(name(1), RECORD)
    assert outbox.read(name(1)) == RECORD


def test_two_may_share_a_folder(tmp_path: Path) -> None:
    Outbox(tmp_path, ROOM).keep(name(1), RECORD)
    one, other = Outbox(tmp_path, ROOM), Outbox(tmp_path, ROOM)
    one.remove(name(1))
    with pytest.raises(FileNotFoundError):
        other.read(name(1))
    other.remove(name(1))
    assert other.next() is None


steps = st.lists(
    st.tuples(st.sampled_from(["keep", "remove", "postpone", "refuse", "restart"]), st.integers(0, 5)), max_size=30
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_each_run_that_was_kept_waits_exactly_once_until_it_leaves_whatever_happens(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("outbox")
    outbox = Outbox(folder, ROOM)
    kept: set[int] = set()
    aside: set[int] = set()
    for step, number in steps:
        if step == "restart":
            outbox = Outbox(folder, ROOM)
        elif step == "keep" and number not in aside:
            outbox.keep(name(number), RECORD * number)
            kept.add(number)
        elif number in kept:
            if step == "postpone":
                outbox.postpone(name(number))
            elif step == "remove":
                outbox.remove(name(number))
                kept.remove(number)
            elif step == "refuse":
                outbox.set_aside(name(number), ".refused")
                kept.remove(number)
                aside.add(number)
        backlog = outbox.backlog()
        assert (backlog.entries, backlog.aside) == (len(kept), len(aside))
        assert backlog.size == BLOCK * len(kept | aside)
    assert all(outbox.read(name(number)) == RECORD * number for number in kept)
    assert sorted(waiting(outbox)) == sorted(name(number) for number in kept)


KEEPER = """
import pathlib, sys
from executor.outbox import Outbox
outbox = Outbox(pathlib.Path(sys.argv[1]), 1 << 30)
for number in range(int(sys.argv[2]), 1 << 30):
    outbox.keep(f"prysm-{number:032x}", str(number).encode() * 99)
    print(number, flush=True)
"""


def test_whoever_was_told_that_a_run_is_kept_finds_it_after_kill_9(tmp_path: Path) -> None:
    told: list[int] = []
    for life in range(8):
        command = [sys.executable, "-c", KEEPER, str(tmp_path), str(life * 1_000_000)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            told += [int(process.stdout.readline()) for _ in range(1 + 3 * life)]
            process.send_signal(signal.SIGKILL)
            told += [int(line) for line in process.stdout if line.endswith("\n")]
    with capture_logs() as lines:
        outbox = Outbox(tmp_path, 1 << 30)
    assert not lines
    assert all(outbox.read(name(number)) == str(number).encode() * 99 for number in told)
    left = set(waiting(outbox))
    assert left >= {name(number) for number in told}
    assert len(left) <= len(told) + 8  # of each life at most one that it could not tell of any more
