"""Waiting for several calls: quorum, grace, stragglers, cancellation. The clock moves only while all wait."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from executor.chat import CallError
from executor.gather import gather
from executor.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from executor.conftest import Lab, World

Call: TypeAlias = "Coroutine[Any, Any, Reply]"


class Calls:
    """Coroutines that end as told, and who of them was cancelled."""

    def __init__(self, lab: Lab) -> None:
        self._model = lab.model("a")
        self.cancelled: list[str] = []
        self.running = 0

    async def _wait(self, name: str, seconds: float) -> None:
        self.running += 1
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            await asyncio.sleep(0.25)  # settling takes time too
            self.cancelled.append(name)
            raise
        finally:
            self.running -= 1

    async def says(self, name: str, seconds: float) -> Reply:
        await self._wait(name, seconds)
        return Reply(name, "stop", self._model, 0)

    async def fails(self, name: str, seconds: float, error: Exception | None = None) -> Reply:
        await self._wait(name, seconds)
        raise error or CallError("unavailable", name)


@pytest.fixture
def calls(lab: Lab) -> Calls:
    return Calls(lab)


@pytest.fixture
def world(lab: Lab) -> World:
    return lab.world({})


def names(outcomes: list[Reply | CallError | None]) -> list[str | None]:
    texts = {Reply: "text", CallError: "message"}
    return [getattr(outcome, texts[type(outcome)]) if outcome else None for outcome in outcomes]


def test_outcomes_come_in_the_order_of_the_calls(world: World, calls: Calls) -> None:
    outcomes = world.do(gather([calls.says("x", 3), calls.fails("y", 1), calls.says("z", 2)]))
    assert names(outcomes) == ["x", "y", "z"]
    assert isinstance(outcomes[1], CallError)


def test_no_calls_are_no_outcomes(world: World) -> None:
    assert world.do(gather([])) == []


def test_a_single_call_is_waited_for(world: World, calls: Calls) -> None:
    assert names(world.do(gather([calls.says("x", 1000)]))) == ["x"]


@pytest.mark.parametrize(
    ("seconds", "waited"),
    [
        ([0.5, 0.5, 1.4], True),  # within 1 s after two of three
        ([0.5, 0.5, 1.6], False),
        ([1, 10, 24], True),  # within 1.5 times the time that two of three took
        ([1, 10, 26], False),
        ([1, 3.9], True),  # a pair: within 3 s after the first
        ([1, 4.1], False),
        ([10, 29], True),  # a pair: within twice the time of the first
        ([10, 31], False),
        ([1, 1, 1, 1, 1, 8], False),  # four of six are enough
        ([1, 1, 1, 3.5, 3.5, 6], True),  # three of six are not
    ],
)
def test_a_straggler_gets_a_grace_after_the_quorum(
    world: World, calls: Calls, seconds: list[float], waited: bool
) -> None:
    outcomes = world.do(gather([calls.says(str(index), end) for index, end in enumerate(seconds)]))
    assert (outcomes[-1] is not None) == waited
    assert all(outcome is not None for outcome in outcomes[:-1])


def test_a_straggler_is_cancelled_and_settled_before_the_outcomes_are_there(world: World, calls: Calls) -> None:
    outcomes = world.do(gather([calls.says("x", 1), calls.says("y", 1), calls.says("z", 100)]))
    assert names(outcomes) == ["x", "y", None]
    assert calls.cancelled == ["z"]
    assert calls.running == 0


@pytest.mark.parametrize(("late", "waited_for"), [(3.5, True), (100, False)])
def test_a_failure_leaves_a_smaller_quorum_with_the_grace_of_a_pair(
    world: World, calls: Calls, late: float, waited_for: bool
) -> None:
    outcomes = world.do(gather([calls.fails("x", 1), calls.says("y", 1), calls.says("z", late)]))
    assert names(outcomes[:2]) == ["x", "y"]
    assert (outcomes[2] is not None) is waited_for


def test_a_straggler_that_fails_while_it_is_cancelled_is_a_failure(world: World, calls: Calls) -> None:
    async def stubborn() -> Reply:
        try:
            return await calls.says("z", 100)
        except asyncio.CancelledError:
            raise CallError("unavailable", "z") from None

    outcomes = world.do(gather([calls.says("x", 1), calls.says("y", 1), stubborn()]))
    assert names(outcomes) == ["x", "y", "z"]


def test_cancelling_the_caller_cancels_all_and_waits_for_them(world: World, calls: Calls) -> None:
    async def cancel() -> None:
        task = asyncio.create_task(gather([calls.says(name, 100) for name in "xyz"]))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert calls.running == 0

    world.do(cancel())
    assert sorted(calls.cancelled) == ["x", "y", "z"]


def test_a_fault_of_ours_goes_on_and_cancels_the_rest(world: World, calls: Calls) -> None:
    with pytest.raises(ZeroDivisionError):
        world.do(gather([calls.says("x", 1), calls.fails("y", 2, ZeroDivisionError()), calls.says("z", 100)]))
    assert calls.cancelled == ["z"]
    assert calls.running == 0


def test_a_call_that_cancels_itself_is_like_a_straggler(world: World, calls: Calls) -> None:
    async def gives_up() -> Reply:
        await asyncio.sleep(1)
        raise asyncio.CancelledError

    outcomes = world.do(gather([gives_up(), calls.says("y", 2), calls.says("z", 2)]))
    assert names(outcomes) == [None, "y", "z"]


def test_no_fault_is_left_for_asyncio_to_log_with_its_text(
    world: World, calls: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    faults = [calls.fails(name, 1, ValueError("the prompt's canary")) for name in "xyz"]
    with pytest.raises(ValueError, match="canary"):
        world.do(gather(faults))
    gc.collect()
    assert "canary" not in caplog.text
