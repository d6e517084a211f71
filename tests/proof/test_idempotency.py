"""Slots of idempotency keys: one claim alive at a time, one response for a day, and then nothing."""

from __future__ import annotations

import asyncio
import secrets
from functools import partial
from typing import TYPE_CHECKING, Any

import apsw
import grpc
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from chassis import client
from chassis.errors import ServiceError
from chassis.interceptors import RpcInterceptor
from chassis.spans import Spans
from chassis.telemetry import Tracing
from openprysm.proof.v2 import idempotency_pb2 as pb
from openprysm.proof.v2 import idempotency_pb2_grpc
from proof.idempotency import (
    KEEP_S,
    MAX_SEALED_BYTES,
    Claimed,
    Conflict,
    DeadClaimError,
    InProgress,
    Kept,
    Outcome,
    Slots,
)
from proof.idempotency_service import SERVICE, IdempotencyServicer
from proof.sqlite.slots import SqliteSlotStore
from proof.storage import StorageError

from .records import record
from .stores import Database, Postgres, both

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from proof.idempotency import SlotStore
    from proof.notary import Notary

SLOT, OTHER_SLOT = b"s" * 32, b"o" * 32
BODY, OTHER_BODY = b"b" * 32, b"x" * 32
CLAIM, OTHER_CLAIM = b"c" * 16, b"d" * 16
SEALED = b"canary-sealed" * 1000
PATIENCE_S = 20.0


class Clock:
    """Unix seconds that a test moves."""

    def __init__(self, database: Database | None = None) -> None:
        self._database = database
        self.now = 1_790_000_000.0

    @property
    def now(self) -> float:
        return self._now

    @now.setter
    def now(self, now: float) -> None:
        self._now = now
        if isinstance(self._database, Postgres):
            self._database.set_now(now)

    def __call__(self) -> float:
        return self.now


def opened(database: Database, folder: Path, clock: Clock) -> SlotStore:
    if isinstance(database, Postgres):
        return database.backend.slots()
    return SqliteSlotStore(folder / "slots.db", clock)


def stored(database: Database, folder: Path) -> list[tuple[bytes, bytes, float]]:
    """Return slot, claim and end of each row, also of those that are past it."""
    query = "SELECT slot, claim, expires FROM slot"
    if isinstance(database, Postgres):
        return database.select(query)
    connection = apsw.Connection(str(folder / "slots.db"), flags=apsw.SQLITE_OPEN_READONLY)
    rows = list(connection.execute(query))
    connection.close()
    return rows


@pytest.fixture
def clock(database: Database) -> Clock:
    return Clock(database)


@pytest.fixture
def file(folder: Path) -> Path:
    return folder / "slots.db"


@pytest.fixture
async def slots(database: Database, folder: Path, clock: Clock) -> AsyncIterator[Slots]:
    running = Slots(opened(database, folder, clock))
    yield running
    await running.stop()


@pytest.fixture
async def stub(folder: Path, slots: Slots) -> AsyncIterator[idempotency_pb2_grpc.IdempotencyServiceStub]:
    server = grpc.aio.server(
        interceptors=[RpcInterceptor(Spans(Tracing.to(None)))],
        options=[("grpc.max_receive_message_length", client.MAX_MESSAGE_BYTES)],
    )
    idempotency_pb2_grpc.add_IdempotencyServiceServicer_to_server(IdempotencyServicer(slots), server)
    server.add_insecure_port(f"unix:{folder}/s")
    await server.start()
    async with grpc.aio.insecure_channel(f"unix:{folder}/s", client.options()) as channel:
        yield idempotency_pb2_grpc.IdempotencyServiceStub(channel)
    await server.stop(None)


Stub = idempotency_pb2_grpc.IdempotencyServiceStub


async def claim(
    stub: Stub, slot: bytes = SLOT, body: bytes = BODY, lease_s: float = 60.0, held: bytes = b""
) -> pb.ClaimResponse:
    asked = pb.ClaimRequest(slot=slot, body_digest=body, lease_s=lease_s, claim=held or secrets.token_bytes(16))
    return await client.call(stub.Claim, asked, PATIENCE_S)


async def complete(stub: Stub, held: bytes, sealed: bytes = SEALED) -> None:
    await client.call(stub.Complete, pb.CompleteRequest(slot=SLOT, claim=held, sealed=sealed), PATIENCE_S)


async def release(stub: Stub, held: bytes) -> None:
    await client.call(stub.Release, pb.ReleaseRequest(slot=SLOT, claim=held), PATIENCE_S)


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("slots.db*"))


async def test_the_service_is_the_one_of_the_contract() -> None:
    assert SERVICE == "openprysm.proof.v2.IdempotencyService"


@both
async def test_a_slot_is_claimed_once_filled_once_and_then_read(stub: Stub) -> None:
    held = (await claim(stub)).claim
    assert len(held) == 16
    assert 0 < (await claim(stub)).in_progress_s <= 60
    await complete(stub, held)
    assert (await claim(stub)).sealed == SEALED
    assert len((await claim(stub, OTHER_SLOT)).claim) == 16


@both
async def test_another_body_is_a_conflict_before_and_after(stub: Stub) -> None:
    held = (await claim(stub)).claim
    assert (await claim(stub, body=OTHER_BODY)).conflict
    await complete(stub, held)
    assert (await claim(stub, body=OTHER_BODY)).conflict


@both
async def test_a_released_slot_is_free_for_any_body(stub: Stub) -> None:
    await release(stub, (await claim(stub)).claim)
    assert (await claim(stub, body=OTHER_BODY)).claim


@both
async def test_a_claim_ends_with_its_lease_and_cannot_fill_the_slot_any_more(stub: Stub, clock: Clock) -> None:
    dead = (await claim(stub, lease_s=60)).claim
    clock.now += 60
    for attempt in range(2):
        with pytest.raises(ServiceError) as caught:
            await complete(stub, dead)
        assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION
        if not attempt:
            alive = (await claim(stub)).claim
    await release(stub, dead)  # nothing of the other claim's
    await complete(stub, alive)
    assert (await claim(stub)).sealed == SEALED


@both
async def test_complete_may_be_said_twice_and_a_filled_slot_stays_as_it_is(stub: Stub) -> None:
    held = (await claim(stub)).claim
    await complete(stub, held)
    await complete(stub, held)
    await release(stub, held)
    for late, sealed in ((held, b"other"), (OTHER_CLAIM, SEALED)):
        with pytest.raises(ServiceError) as caught:
            await complete(stub, late, sealed)
        assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION
    assert (await claim(stub)).sealed == SEALED


@both
async def test_eight_mebibytes_fit(stub: Stub) -> None:
    sealed = b"z" * MAX_SEALED_BYTES
    await complete(stub, (await claim(stub)).claim, sealed)
    assert (await claim(stub)).sealed == sealed


@pytest.mark.parametrize(
    ("method", "fields", "named"),
    [
        ("Claim", {"slot": b""}, "slot"),
        ("Claim", {"slot": b"s" * 31}, "slot"),
        ("Claim", {"slot": b"s" * 33}, "slot"),
        ("Claim", {"body_digest": b"b" * 20}, "body_digest"),
        ("Claim", {"lease_s": 0.0}, "lease_s"),
        ("Claim", {"lease_s": -1.0}, "lease_s"),
        ("Claim", {"lease_s": 3600.5}, "lease_s"),
        ("Claim", {"lease_s": float("nan")}, "lease_s"),
        ("Claim", {"lease_s": float("inf")}, "lease_s"),
        ("Claim", {"claim": b"c" * 15}, "claim"),
        ("Complete", {"slot": b"s" * 31}, "slot"),
        ("Complete", {"claim": b"c" * 15}, "claim"),
        ("Complete", {"sealed": b""}, "sealed"),
        ("Complete", {"sealed": bytes(MAX_SEALED_BYTES + 1)}, "sealed"),
        ("Release", {"slot": b"s" * 31}, "slot"),
        ("Release", {"claim": b""}, "claim"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_is_out_of_range_is_refused_by_name(
    stub: Stub, method: str, fields: dict[str, Any], named: str
) -> None:
    good: dict[str, dict[str, Any]] = {
        "Claim": {"slot": SLOT, "body_digest": BODY, "lease_s": 1.0, "claim": CLAIM},
        "Complete": {"slot": SLOT, "claim": CLAIM, "sealed": SEALED},
        "Release": {"slot": SLOT, "claim": CLAIM},
    }
    asked = getattr(pb, f"{method}Request")(**{**good[method], **fields})
    with pytest.raises(ServiceError) as caught:
        await client.call(getattr(stub, method), asked, PATIENCE_S)
    assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "invalid_request")
    assert caught.value.message.startswith(f"{named}: must be ")


@both
async def test_a_claim_whose_answer_was_lost_may_be_made_again(stub: Stub) -> None:
    assert (await claim(stub, held=CLAIM)).claim == CLAIM
    assert (await claim(stub, held=CLAIM)).claim == CLAIM
    assert (await claim(stub, held=CLAIM, body=OTHER_BODY)).conflict
    await complete(stub, CLAIM)
    assert (await claim(stub, held=CLAIM)).sealed == SEALED


@both
async def test_of_fifty_claims_at_once_one_lives(slots: Slots) -> None:
    outcomes = await asyncio.gather(*(slots.claim(SLOT, BODY, secrets.token_bytes(16), 60.0) for _ in range(50)))
    assert sum(isinstance(outcome, Claimed) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, InProgress) for outcome in outcomes) == 49


@both
async def test_a_caller_that_goes_away_leaves_no_claim_behind(slots: Slots) -> None:
    gone = [asyncio.create_task(slots.claim(SLOT, BODY, secrets.token_bytes(16), 60.0)) for _ in range(5)]
    await asyncio.sleep(0)
    for task in gone:
        task.cancel()
    await asyncio.gather(*gone, return_exceptions=True)
    assert isinstance(await slots.claim(SLOT, OTHER_BODY, secrets.token_bytes(16), 60.0), Claimed)


@both
async def test_a_response_is_gone_after_a_day_even_before_the_sweep(
    database: Database, folder: Path, clock: Clock
) -> None:
    store = opened(database, folder, clock)
    store.claim(SLOT, BODY, CLAIM, 60.0)
    clock.now += 59
    store.complete(SLOT, CLAIM, SEALED)
    clock.now += KEEP_S - 1
    assert store.claim(SLOT, BODY, OTHER_CLAIM, 60.0) == Kept(SEALED)
    clock.now += 1
    assert store.claim(SLOT, OTHER_BODY, OTHER_CLAIM, 60.0) == Claimed(OTHER_CLAIM)
    store.close()


async def test_nothing_of_a_response_stays_in_the_files_after_its_day(file: Path, folder: Path, clock: Clock) -> None:
    store = SqliteSlotStore(file, clock)
    for number in range(200):
        slot = number.to_bytes(32)
        store.claim(slot, BODY, CLAIM, 60.0)
        store.complete(slot, CLAIM, SEALED)
    store.close()
    assert b"canary-sealed" in on_disk(folder)
    clock.now += KEEP_S
    slots = Slots(SqliteSlotStore(file, clock))  # as after a restart
    slots.start()
    async with asyncio.timeout(PATIENCE_S):
        while b"canary-sealed" in on_disk(folder):
            await asyncio.sleep(0.01)
    await slots.stop()
    connection = apsw.Connection(str(file))
    assert connection.execute("SELECT count(*) FROM slot").get == 0
    assert connection.pragma("integrity_check") == "ok"
    connection.close()


async def test_the_sweep_goes_on_after_a_failure(
    file: Path, folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proof.idempotency._SWEEP_S", 0.01)
    store = SqliteSlotStore(file, clock)
    failures = iter([apsw.IOError("canary")])
    sweep = store.sweep

    def once_broken(limit: int) -> int:
        for failure in failures:
            raise failure
        return sweep(limit)

    monkeypatch.setattr(store, "sweep", once_broken)
    store.claim(SLOT, BODY, CLAIM, 60.0)
    store.complete(SLOT, CLAIM, SEALED)
    clock.now += KEEP_S
    slots = Slots(store)
    slots.start()
    async with asyncio.timeout(PATIENCE_S):
        while b"canary-sealed" in on_disk(folder):
            await asyncio.sleep(0.01)
    await slots.stop()


async def test_proofs_are_signed_while_the_slots_wait_for_their_file(slots: Slots, file: Path, notary: Notary) -> None:
    holder = apsw.Connection(str(file))
    holder.execute("BEGIN IMMEDIATE")
    waiting = asyncio.create_task(slots.claim(SLOT, BODY, secrets.token_bytes(16), 60.0))
    await notary.sign(record())
    assert not waiting.done()
    holder.execute("ROLLBACK")
    holder.close()
    assert isinstance(await waiting, Claimed)


def test_what_is_written_is_on_disk_and_what_is_deleted_is_zeroed(file: Path) -> None:
    store = SqliteSlotStore(file, Clock())
    pragmas = ("journal_mode", "synchronous", "secure_delete", "max_page_count")
    assert [store._connection.pragma(name) for name in pragmas] == ["wal", 2, 1, 1 << 20]
    store.close()


def test_what_is_no_slot_store_is_one_line_for_the_operator(file: Path) -> None:
    file.write_bytes(b"no database " * 100)
    with pytest.raises(StorageError, match=r"slots\.db can't be opened as a slot store"):
        SqliteSlotStore(file, Clock())


class AnyOrder(RuleBasedStateMachine):
    """Claims, completions, releases, time and restarts in any order, against a slot that is plain to see."""

    def __init__(self, database: Database, folder: Path) -> None:
        super().__init__()
        self.slot = secrets.token_bytes(32)
        self.clock = Clock(database)
        self.open = partial(opened, database, folder, self.clock)
        self.rows = partial(stored, database, folder)
        self.store = self.open()
        self.claims: list[tuple[bytes, bytes]] = []  # claim, body
        #: Claim, body, end and response of the slot; None: it is free.
        self.held: tuple[bytes, bytes, float, bytes | None] | None = None

    def _present(self) -> tuple[bytes, bytes, float, bytes | None] | None:
        return self.held if self.held and self.clock.now < self.held[2] else None

    @rule(body=st.sampled_from([BODY, OTHER_BODY]), lease_s=st.sampled_from([1.0, 60.0, 3600.0]))
    def claim(self, body: bytes, lease_s: float) -> None:
        fresh, present = len(self.claims).to_bytes(16), self._present()
        outcome = self.store.claim(self.slot, body, fresh, lease_s)
        expected: Outcome
        if present is None:
            expected = Claimed(fresh)
            self.claims.append((fresh, body))
            self.held = (fresh, body, self.clock.now + lease_s, None)
        elif present[1] != body:
            expected = Conflict()
        elif present[3] is not None:
            expected = Kept(present[3])
        else:
            expected = InProgress(present[2] - self.clock.now)
        assert outcome == expected

    @precondition(lambda self: self.claims)
    @rule(pick=st.data(), sealed=st.sampled_from([b"one", b"two"]))
    def complete(self, pick: Any, sealed: bytes) -> None:
        held, body = pick.draw(st.sampled_from(self.claims))
        present = self._present()
        may = present is not None and present[0] == held and present[3] in {None, sealed}
        if not may:
            with pytest.raises(DeadClaimError):
                self.store.complete(self.slot, held, sealed)
            return
        self.store.complete(self.slot, held, sealed)
        if present and present[3] is None:
            self.held = (held, body, self.clock.now + KEEP_S, sealed)

    @precondition(lambda self: self.claims)
    @rule(pick=st.data())
    def release(self, pick: Any) -> None:
        held, _ = pick.draw(st.sampled_from(self.claims))
        self.store.release(self.slot, held)
        present = self._present()
        if present and present[0] == held and present[3] is None:
            self.held = None

    @rule(seconds=st.sampled_from([0.5, 1.0, 59.0, 3600.0, KEEP_S - 1, KEEP_S]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def sweep(self) -> None:
        self.store.sweep(10)
        self.store.forget()

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = self.open()

    @invariant()
    def at_most_one_claim_is_alive(self) -> None:
        alive = [claim for slot, claim, expires in self.rows() if slot == self.slot and expires > self.clock.now]
        present = self._present()
        assert alive == ([present[0]] if present else [])

    def teardown(self) -> None:
        self.store.close()


@pytest.mark.parametrize(("database", "examples"), [("sqlite", 40), ("postgres", 15)], indirect=["database"])
def test_in_any_order_the_slot_is_what_it_should_be(database: Database, folder: Path, examples: int) -> None:
    machine: Any = partial(AnyOrder, database, folder)
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=examples, stateful_step_count=25, deadline=None),
    )
