"""A run that could not be signed is kept, and signed once somebody signs again."""

from __future__ import annotations

import asyncio
import errno
import threading
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any, cast

import pytest
from structlog.testing import capture_logs

from executor import recovery
from executor.orchestrate import Signed
from executor.outbox import Outbox
from executor.recovery import Recovery, RejectedError, UnsignedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
    from pathlib import Path
    from typing import TypeAlias

    Lines: TypeAlias = list[MutableMapping[str, Any]]

PATIENCE_S = 20.0
OUTCOME, WRITTEN = cast("Any", None), cast("Any", None)


def name(number: int) -> str:
    return f"prysm-{number:032x}"


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class Office:
    """Signs a record unless there is something wrong with it, or with everything; keeps in which order it did."""

    def __init__(self) -> None:
        #: What is raised, by record; under an empty one by all.
        self.wrong: dict[bytes, BaseException] = {}
        self.tried: list[bytes] = []
        self.signed: list[bytes] = []
        self.opens = asyncio.Event()
        self.opens.set()

    def record(self, request_id: str, _created: int, _outcome: object, _written: object) -> bytes:
        return request_id.encode()

    async def sign(self, record: bytes, timeout_s: float) -> Signed:
        self.tried.append(record)
        async with asyncio.timeout(timeout_s):
            await self.opens.wait()
        for error in (self.wrong.get(b""), self.wrong.get(record)):
            if error is not None:
                raise error
        self.signed.append(record)
        return Signed("sha256:" + "0" * 64, "SHA256:key", b"{}")


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setattr(recovery, "_FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(recovery, "_LONGEST_PAUSE_S", 0.01)
    return Office()


@pytest.fixture(autouse=True)
def lines() -> Iterator[Lines]:
    """What is logged; to render an exception for a terminal would take longer than any pause here."""
    with capture_logs() as captured:
        yield captured


@asynccontextmanager
async def recovering(office: Office, folder: Path, max_bytes: int = 1 << 20) -> AsyncIterator[tuple[Recovery, Outbox]]:
    outbox = Outbox(folder, max_bytes)
    async with Recovery(office, outbox, Random(0)) as notary:  # noqa: S311 - a test's dice
        yield notary, outbox


async def sign(notary: Recovery, number: int, timeout_s: float = PATIENCE_S) -> Signed:
    return await notary.sign(name(number), 0, OUTCOME, WRITTEN, timeout_s)


async def unsigned(notary: Recovery, number: int, timeout_s: float = PATIENCE_S) -> str | None:
    with pytest.raises(UnsignedError) as caught:
        await sign(notary, number, timeout_s)
    return caught.value.proof_id


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.001)


async def test_what_is_signed_at_once_touches_no_disk(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with recovering(office, tmp_path) as (notary, outbox):
        monkeypatch.setattr(outbox, "keep", None)
        assert (await sign(notary, 1)).keyid == "SHA256:key"
    assert files(tmp_path) == []


async def test_what_can_not_be_signed_is_on_the_disk_when_its_client_hears_of_it_and_signed_once_later(
    office: Office, tmp_path: Path, lines: Lines
) -> None:
    office.wrong[b""] = ConnectionError("canary")
    async with recovering(office, tmp_path) as (notary, outbox):
        for number in range(5):
            assert await unsigned(notary, number) == name(number)
            assert (tmp_path / name(number)).exists()
        assert outbox.backlog().entries == 5
        office.wrong.clear()
        await until(lambda: outbox.next() is None)
        assert sorted(office.signed) == [name(number).encode() for number in range(5)]
        assert files(tmp_path) == []
    assert [line["request_id"] for line in lines if line["event"] == "run_not_signed"] == [name(n) for n in range(5)]
    assert len([line for line in lines if line["event"] == "signed_late"]) == 5
    assert any(line["event"] == "outbox_waits" and line["entries"] for line in lines)


async def test_signing_that_takes_too_long_is_a_failure_like_any_other(office: Office, tmp_path: Path) -> None:
    office.opens.clear()
    async with recovering(office, tmp_path) as (notary, outbox):
        assert await unsigned(notary, 1, 0.01) == name(1)
        office.opens.set()
        await until(lambda: outbox.next() is None)
    assert office.signed == [name(1).encode()]


async def test_a_client_that_leaves_while_its_run_is_signed_loses_it_nothing(office: Office, tmp_path: Path) -> None:
    office.opens.clear()
    async with recovering(office, tmp_path) as (notary, outbox):
        signing = asyncio.create_task(sign(notary, 1))
        await until(lambda: bool(office.tried))
        signing.cancel()
        await asyncio.gather(signing, return_exceptions=True)
        assert signing.cancelled()
        await until(lambda: outbox.next() is not None)
        office.opens.set()
        await until(lambda: outbox.next() is None)
    assert office.signed == [name(1).encode()]


async def test_a_client_that_leaves_while_its_run_is_written_loses_it_nothing(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.wrong[b""] = ConnectionError()
    async with recovering(office, tmp_path) as (notary, outbox):
        writes = asyncio.Event()
        loop, keep = asyncio.get_running_loop(), outbox.keep

        def slowly(request_id: str, record: bytes) -> None:
            loop.call_soon_threadsafe(writes.set)
            keep(request_id, record)

        monkeypatch.setattr(outbox, "keep", slowly)
        signing = asyncio.create_task(sign(notary, 1))
        await writes.wait()
        signing.cancel()
        await asyncio.gather(signing, return_exceptions=True)
        await until(lambda: outbox.next() is not None)
        office.wrong.clear()
        await until(lambda: outbox.next() is None)
    assert office.signed == [name(1).encode()]


async def test_what_an_earlier_process_left_is_signed_the_oldest_first(
    office: Office, tmp_path: Path, lines: Lines
) -> None:
    times = iter([30.0, 10.0, 20.0])
    left = Outbox(tmp_path, 1 << 20, lambda: next(times))
    for number in range(3):
        left.keep(name(number), name(number).encode())
    async with recovering(office, tmp_path) as (_, outbox):
        await until(lambda: outbox.next() is None)
    assert office.signed == [name(number).encode() for number in (1, 2, 0)]
    assert lines[0]["event"] == "outbox_taken_up"
    assert lines[0]["entries"] == 3


async def test_a_rejected_record_is_promised_to_nobody_and_set_aside_with_one_line(
    office: Office, tmp_path: Path, lines: Lines
) -> None:
    office.wrong[name(1).encode()] = RejectedError("calls: must be 1..16")
    async with recovering(office, tmp_path) as (notary, outbox):
        assert await unsigned(notary, 1) is None
        await until(lambda: outbox.next() is None)
    assert [line["why"] for line in lines if line["event"] == "outbox_entry_refused"] == ["calls: must be 1..16"]
    assert files(tmp_path) == [f"{name(1)}.refused"]
    assert office.tried == [name(1).encode()] * 2


async def test_one_that_always_fails_keeps_no_other_from_being_signed(office: Office, tmp_path: Path) -> None:
    office.wrong[b""] = office.wrong[name(0).encode()] = ConnectionError()
    async with recovering(office, tmp_path) as (notary, outbox):
        for number in range(4):
            await unsigned(notary, number)
        del office.wrong[b""]
        await until(lambda: outbox.backlog().entries == 1)
        assert sorted(office.signed) == [name(number).encode() for number in (1, 2, 3)]
        await until(lambda: office.tried[-3:] == [name(0).encode()] * 3)  # it is tried still
        office.wrong.clear()
        await until(lambda: outbox.next() is None)


async def test_a_file_that_was_torn_while_it_waited_is_set_aside_and_one_that_is_gone_is_forgotten(
    office: Office, tmp_path: Path
) -> None:
    office.wrong[b""] = ConnectionError()
    async with recovering(office, tmp_path) as (notary, outbox):
        for number in range(3):
            await unsigned(notary, number)
        (tmp_path / name(0)).write_bytes(b"torn")
        (tmp_path / name(1)).unlink()
        office.wrong.clear()
        await until(lambda: outbox.next() is None)
    assert office.signed == [name(2).encode()]
    assert files(tmp_path) == [f"{name(0)}.damaged"]


async def test_a_full_outbox_promises_nothing_and_says_so_in_the_log(
    office: Office, tmp_path: Path, lines: Lines
) -> None:
    office.wrong[b""] = ConnectionError()
    async with recovering(office, tmp_path, max_bytes=4096) as (notary, _):
        assert await unsigned(notary, 1) == name(1)
        assert await unsigned(notary, 2) is None
    full = [line for line in lines if line["event"] == "outbox_full"]
    assert [(line["request_id"], line["entries"], line["log_level"]) for line in full] == [(name(2), 1, "error")]
    assert files(tmp_path) == [name(1)]


async def test_a_disk_that_refuses_promises_nothing_and_later_runs_are_kept(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    office.wrong[b""] = ConnectionError()

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "canary")

    async with recovering(office, tmp_path) as (notary, outbox):
        with monkeypatch.context() as patch:
            patch.setattr(outbox, "_write", refuse)
            assert await unsigned(notary, 1) is None
        assert await unsigned(notary, 2) == name(2)
    assert [line["request_id"] for line in lines if line["event"] == "outbox_not_written"] == [name(1)]


async def test_a_disk_that_hangs_makes_no_client_wait_and_promises_nothing_but_what_it_takes_is_signed(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.wrong[b""] = ConnectionError()
    turns = threading.Event()
    async with recovering(office, tmp_path) as (notary, outbox):
        write = outbox._write

        def hang(request_id: str, content: bytes) -> None:
            assert turns.wait(PATIENCE_S)
            write(request_id, content)

        monkeypatch.setattr(outbox, "_write", hang)
        assert await asyncio.gather(*(unsigned(notary, number, 0.1) for number in range(8))) == [None] * 8
        await asyncio.to_thread(lambda: None)  # nobody else's threads are taken
        turns.set()
        await until(lambda: outbox.backlog().entries == 8)
        office.wrong.clear()
        await until(lambda: outbox.next() is None)
    assert sorted(office.signed) == [name(number).encode() for number in range(8)]


async def test_what_can_not_be_removed_is_signed_again_and_blocks_nobody(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.wrong[b""] = ConnectionError()
    async with recovering(office, tmp_path) as (notary, outbox):
        await unsigned(notary, 1)
        remove = outbox.remove

        def refuse(request_id: str) -> None:
            if office.signed.count(name(1).encode()) < 3:
                raise OSError(errno.EROFS, "read-only")
            remove(request_id)

        monkeypatch.setattr(outbox, "remove", refuse)
        office.wrong.clear()
        await until(lambda: outbox.next() is None)
    assert office.signed == [name(1).encode()] * 3


async def test_who_stops_tries_once_more_without_waiting_for_the_pause(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "_FIRST_PAUSE_S", 3600.0)
    monkeypatch.setattr(recovery, "_LONGEST_PAUSE_S", 3600.0)
    office.wrong[b""] = ConnectionError()
    async with asyncio.timeout(PATIENCE_S), recovering(office, tmp_path) as (notary, _):
        for number in range(3):
            await unsigned(notary, number)
        await until(lambda: len(office.tried) == 4)  # three by their requests, one by the relay, which then pauses
        office.wrong.clear()
    assert sorted(office.signed) == [name(number).encode() for number in range(3)]
    assert files(tmp_path) == []


async def test_who_stops_waits_for_nobody_who_does_not_answer_and_leaves_the_rest_to_the_next(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    monkeypatch.setattr(recovery, "_LAST_S", 0.05)
    office.opens.clear()
    async with asyncio.timeout(PATIENCE_S), recovering(office, tmp_path) as (notary, _):
        await unsigned(notary, 1, 0.01)
    assert [line["entries"] for line in lines if line["event"] == "outbox_left_behind"] == [1]
    office.opens.set()
    async with recovering(office, tmp_path) as (_, outbox):
        await until(lambda: outbox.next() is None)
    assert office.signed == [name(1).encode()]
