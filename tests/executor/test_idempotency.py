"""A request with an idempotency key: run once, whoever leaves, fails or asks at the same time."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from executor.idempotency import (
    Claimed,
    ConflictError,
    DamagedError,
    InProgressError,
    Kept,
    Keys,
    Once,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from executor.conftest import Lab, World

API_KEY = "prysm_sk_0123456789abcdef_" + "s" * 43
BODY, OTHER_BODY = b"the request", b"another request"
RESPONSE = b"canary-answer"
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


class Memory:
    """Keeps slots as the proof service does, each call taking a while; `faults` say which calls fail, and how."""

    def __init__(self, clock: Callable[[], float], takes_s: float = 0.01) -> None:
        self._clock = clock
        self._takes_s = takes_s
        self._claims = 0
        self.slots: dict[bytes, tuple[bytes, bytes, float, bytes | None]] = {}
        self.calls: list[str] = []
        self.leases: list[float] = []
        self.faults: dict[str, Exception] = {}

    async def _arrive(self, call: str) -> None:
        self.calls.append(call)
        await asyncio.sleep(self._takes_s)
        if call in self.faults:
            raise self.faults[call]

    def _present(self, slot: bytes) -> tuple[bytes, bytes, float, bytes | None] | None:
        row = self.slots.get(slot)
        return row if row and self._clock() < row[2] else None

    async def claim(self, slot: bytes, body_digest: bytes, lease_s: float, timeout_s: float) -> Claimed | Kept:
        assert timeout_s <= 5
        self.leases.append(lease_s)
        await self._arrive("claim")
        row = self._present(slot)
        if row and row[1] != body_digest:
            raise ConflictError
        if row and row[3] is not None:
            return Kept(row[3])
        if row:
            raise InProgressError(row[2] - self._clock())
        self._claims += 1
        held = self._claims.to_bytes(16)
        self.slots[slot] = (held, body_digest, self._clock() + lease_s, None)
        await asyncio.sleep(self._takes_s)  # on its way back
        return Claimed(held)

    async def complete(self, slot: bytes, claim: bytes, sealed: bytes, timeout_s: float) -> None:  # noqa: ARG002
        await self._arrive("complete")
        row = self._present(slot)
        assert row
        assert row[0] == claim
        assert row[3] is None
        self.slots[slot] = (claim, row[1], self._clock() + 86_400, sealed)

    async def release(self, slot: bytes, claim: bytes, timeout_s: float) -> None:  # noqa: ARG002
        await self._arrive("release")
        row = self._present(slot)
        if row and row[0] == claim and row[3] is None:
            del self.slots[slot]


class Desk:
    """A `Once` over a memory, and what it ran."""

    def __init__(self, lab: Lab) -> None:
        self.world: World = lab.world({})
        self.memory = Memory(self.world.clock)
        self.once = Once(self.memory, self.world.clock, lambda size: bytes(range(size)))
        self.ran: list[float] = []

    async def ask(
        self,
        run: Callable[[], Awaitable[bytes]] | None = None,
        body: bytes = BODY,
        key: str = "k",
        api_key: str = API_KEY,
        within_s: float = 60.0,
    ) -> bytes:
        began = self.world.clock()

        async def running(until: float) -> bytes:
            self.ran.append(until - began)
            return await run() if run else RESPONSE

        return await self.once.answer(api_key, key, body, began + within_s, running)


@pytest.fixture
def desk(lab: Lab) -> Desk:
    return Desk(lab)


async def failing() -> bytes:
    raise ZeroDivisionError


async def slowly() -> bytes:
    await asyncio.sleep(10)
    return RESPONSE


def test_a_key_runs_once_and_answers_the_same_bytes(desk: Desk) -> None:
    async def scene() -> None:
        assert [await desk.ask() for _ in range(3)] == [RESPONSE] * 3

    desk.world.do(scene())
    assert len(desk.ran) == 1
    assert desk.memory.calls == ["claim", "complete", "claim", "claim"]


def test_the_response_is_durable_before_it_is_answered(desk: Desk) -> None:
    desk.world.do(desk.ask())
    (row,) = desk.memory.slots.values()
    assert row[3] is not None


def test_time_is_kept_back_for_completing_and_the_lease_outlasts_the_request(desk: Desk) -> None:
    desk.world.do(desk.ask(within_s=100.0))
    assert desk.ran == pytest.approx([99.5])
    desk.world.do(desk.ask(key="short", within_s=1.0))
    assert desk.ran[1] == pytest.approx(0.95)
    desk.world.do(desk.ask(key="endless", within_s=1e6))
    assert desk.memory.leases == pytest.approx([110, 11, 3600])


@pytest.mark.parametrize(
    ("other", "runs"),
    [({"key": "l"}, 2), ({"api_key": API_KEY + "x"}, 2), ({"key": "k "}, 2), ({"key": "K"}, 2)],
    ids=str,
)
def test_another_key_of_either_kind_is_independent(desk: Desk, other: dict[str, Any], runs: int) -> None:
    async def scene() -> None:
        await desk.ask()
        await desk.ask(body=OTHER_BODY, **other)

    desk.world.do(scene())
    assert len(desk.ran) == runs


def test_another_body_is_a_conflict_and_does_not_run(desk: Desk) -> None:
    async def scene() -> None:
        await desk.ask()
        with pytest.raises(ConflictError):
            await desk.ask(body=OTHER_BODY)

    desk.world.do(scene())
    assert len(desk.ran) == 1


def test_a_twin_is_told_to_ask_again_soon(desk: Desk) -> None:
    async def scene() -> None:
        first = asyncio.create_task(desk.ask(slowly))
        await asyncio.sleep(1)
        with pytest.raises(InProgressError) as caught:
            await desk.ask()
        assert caught.value.retry_after_s == 5
        assert await first == RESPONSE

    desk.world.do(scene())
    assert len(desk.ran) == 1


def test_a_failure_releases_its_claim_before_it_is_told(desk: Desk) -> None:
    async def scene() -> None:
        with pytest.raises(ZeroDivisionError):
            await desk.ask(failing)
        assert not desk.memory.slots
        assert await desk.ask(body=OTHER_BODY) == RESPONSE

    desk.world.do(scene())


def test_a_caller_that_leaves_while_it_runs_releases_the_claim(desk: Desk) -> None:
    async def scene() -> None:
        leaving = asyncio.create_task(desk.ask(slowly))
        await asyncio.sleep(1)
        leaving.cancel()
        await asyncio.wait({leaving})
        assert leaving.cancelled()
        assert not desk.memory.slots
        assert await desk.ask() == RESPONSE

    desk.world.do(scene())


@pytest.mark.parametrize("after_s", [0.0, 0.005, 0.015])
def test_a_caller_that_leaves_while_it_claims_leaves_no_claim(desk: Desk, after_s: float) -> None:
    async def scene() -> None:
        async with desk.once:
            leaving = asyncio.create_task(desk.ask())
            await asyncio.sleep(after_s)
            leaving.cancel()
            await asyncio.wait({leaving})
            assert leaving.cancelled()
        assert not desk.memory.slots
        assert not desk.ran

    desk.world.do(scene())


def test_a_caller_that_leaves_while_it_completes_finds_its_answer_later(desk: Desk) -> None:
    async def scene() -> None:
        leaving = asyncio.create_task(desk.ask())
        while desk.memory.calls[-1:] != ["complete"]:
            await asyncio.sleep(0.001)
        leaving.cancel()
        await asyncio.wait({leaving})
        assert leaving.cancelled()
        await asyncio.sleep(1)
        assert await desk.ask(failing) == RESPONSE

    desk.world.do(scene())


def test_what_cannot_be_claimed_does_not_run(desk: Desk) -> None:
    desk.memory.faults["claim"] = OSError("canary")
    with pytest.raises(OSError, match="canary"):
        desk.world.do(desk.ask())
    assert not desk.ran


def test_what_cannot_be_kept_is_answered_all_the_same_and_said_in_the_log(desk: Desk) -> None:
    desk.memory.faults["complete"] = OSError("canary")
    with capture_logs() as logs:
        assert desk.world.do(desk.ask()) == RESPONSE
    assert [line["event"] for line in logs] == ["idempotent_response_not_kept"]
    assert not desk.memory.slots


def test_a_failed_release_does_not_hide_the_failure(desk: Desk) -> None:
    desk.memory.faults["release"] = OSError("canary")
    with capture_logs() as logs, pytest.raises(ZeroDivisionError):
        desk.world.do(desk.ask(failing))
    assert [line["event"] for line in logs] == ["idempotency_claim_not_released"]


def test_a_store_that_hangs_lets_a_failure_at_the_last_moment_be_told_in_time(desk: Desk) -> None:
    async def scene() -> None:
        async def fails_late() -> bytes:
            await asyncio.sleep(desk.ran[0] - 0.1)
            desk.memory._takes_s = 1e6
            raise ZeroDivisionError

        began = desk.world.clock()
        with pytest.raises(ZeroDivisionError):
            await desk.ask(fails_late, within_s=4.0)
        assert desk.world.clock() - began <= 4.0

    desk.world.do(scene())


def test_a_store_that_hangs_holds_up_neither_an_answer_nor_a_failure_for_long(desk: Desk) -> None:
    async def scene() -> None:
        async def and_then_hangs() -> bytes:
            desk.memory._takes_s = 1e6
            return RESPONSE

        async def hangs_and_fails() -> bytes:
            desk.memory._takes_s = 1e6
            raise ZeroDivisionError

        began = desk.world.clock()
        assert await desk.ask(and_then_hangs, within_s=5) == RESPONSE
        assert desk.world.clock() - began <= 5
        desk.memory._takes_s = 0.01
        began = desk.world.clock()
        assert await desk.ask(and_then_hangs, key="patient", within_s=3000) == RESPONSE
        assert desk.world.clock() - began < 11
        desk.memory._takes_s = 0.01
        began = desk.world.clock()
        with pytest.raises(ZeroDivisionError):
            await desk.ask(hangs_and_fails, key="other")
        assert desk.world.clock() - began < 2

    desk.world.do(scene())


@given(st.data())
def test_a_damaged_response_is_our_fault_and_no_reason_to_run_again(lab: Lab, data: st.DataObject) -> None:
    desk = Desk(lab)

    async def scene() -> None:
        await desk.ask()
        ((slot, (claim, digest, expires, sealed)),) = desk.memory.slots.items()
        assert sealed
        damaged = bytearray(sealed)
        if data.draw(st.booleans()):
            damaged[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
        else:
            damaged = damaged[: data.draw(st.integers(0, len(sealed) - 1))]
        desk.memory.slots[slot] = (claim, digest, expires, bytes(damaged))
        with pytest.raises(DamagedError):
            await desk.ask()

    desk.world.do(scene())
    assert len(desk.ran) == 1


def test_a_response_of_another_slot_or_body_does_not_open() -> None:
    keys = Keys.derive(API_KEY, "k")
    sealed = keys.seal(keys.digest(BODY), RESPONSE, bytes(12))
    assert keys.open(keys.digest(BODY), sealed) == RESPONSE
    assert RESPONSE not in sealed
    with pytest.raises(DamagedError):
        keys.open(keys.digest(OTHER_BODY), sealed)
    with pytest.raises(DamagedError):
        Keys.derive(API_KEY, "l").open(keys.digest(BODY), sealed)


def test_keys_are_those_of_rfc_5869() -> None:
    keys = Keys.derive(API_KEY, "ключ")
    extracted = hmac.digest(bytes(32), API_KEY.encode(), hashlib.sha256)
    blocks, block = b"", b""
    for counter in (1, 2, 3):
        block = hmac.digest(
            extracted, block + b"openprysm idempotency v1\0" + "ключ".encode() + bytes([counter]), hashlib.sha256
        )
        blocks += block
    assert (keys.slot, keys._mac, keys._seal) == (blocks[:32], blocks[32:64], blocks[64:])
    assert keys.digest(BODY) == hmac.digest(blocks[32:64], BODY, hashlib.sha256)
    assert repr(keys) == f"Keys(slot={keys.slot!r})"


@given(st.tuples(texts, texts), st.tuples(texts, texts))
def test_slots_are_the_same_only_for_the_same_two_keys(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (Keys.derive(*one) == Keys.derive(*other)) is (one == other)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(0, 20),  # when it comes
            st.floats(0, 15),  # how long its run takes
            st.booleans(),  # whether its run fails
            st.none() | st.floats(0, 20),  # when its caller leaves
            st.sampled_from([BODY, BODY, OTHER_BODY]),
        ),
        min_size=2,
        max_size=8,
    )
)
def test_whoever_comes_fails_and_leaves_one_runs_at_a_time_and_an_answer_stays(lab: Lab, callers: list[Any]) -> None:
    desk = Desk(lab)
    running: list[bytes] = []
    first: list[tuple[bytes, bytes]] = []  # the body and the response that a caller was given

    async def caller(number: int, comes: float, takes: float, fails: bool, leaves: float | None, body: bytes) -> None:
        async def run() -> bytes:
            assert not running
            assert not first
            running.append(body)
            try:
                await asyncio.sleep(takes)
            finally:
                running.remove(body)
            if fails:
                raise ZeroDivisionError
            return f"response {number}".encode()

        await asyncio.sleep(comes)
        try:
            async with asyncio.timeout(leaves):
                answer = await desk.ask(run, body)
        except ConflictError:
            assert not first or first[0][0] != body
        except InProgressError:
            assert not first
        except (TimeoutError, ZeroDivisionError):
            pass
        else:
            first.append((body, answer))
            assert set(first) == {first[0]}

    async def scene() -> None:
        async with desk.once:
            await asyncio.gather(*(caller(number, *details) for number, details in enumerate(callers)))
        assert all(row[3] is not None for row in desk.memory.slots.values())  # no claim is left behind

    desk.world.do(scene())
