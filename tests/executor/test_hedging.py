"""When a first word is late, and how many second calls that may buy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.hedging import Hedges


def taught(*waits: float, streamed: bool = True) -> Hedges:
    hedges = Hedges()
    for wait in waits:
        hedges.observe("a", wait, streamed=streamed)
    return hedges


def spend(hedges: Hedges) -> int:
    """Take all hedges that there are."""
    taken = 0
    while hedges.take():
        taken += 1
    return taken


def test_nothing_is_late_before_twenty_first_words() -> None:
    assert taught().patience_s("a", streamed=True) is None
    assert taught(*[1.0] * 19).patience_s("a", streamed=True) is None
    assert taught(*[1.0] * 20).patience_s("a", streamed=True) == 1.0


def test_what_is_usual_is_known_of_each_model_and_of_each_way_of_asking() -> None:
    hedges = taught(*[1.0] * 20)
    assert hedges.patience_s("b", streamed=True) is None
    assert hedges.patience_s("a", streamed=False) is None


@pytest.mark.parametrize(
    ("waits", "patience"),
    [
        ([1.0] * 19 + [60.0], 1.0),
        ([1.0] * 18 + [60.0] * 2, 60.0),
        ([number / 10 for number in range(100, 0, -1)], 9.5),
        ([0.01] * 20, 0.25),
        ([60.0] * 200 + [1.0] * 200, 1.0),
    ],
    ids=["one outlier in twenty", "two in twenty", "in any order", "very fast", "long ago"],
)
def test_late_is_what_comes_after_nineteen_in_twenty_of_the_last_two_hundred(
    waits: list[float], patience: float
) -> None:
    assert taught(*waits).patience_s("a", streamed=True) == patience


def test_there_is_one_hedge_at_first() -> None:
    assert spend(Hedges()) == 1


def test_ten_calls_earn_one_hedge() -> None:
    hedges = Hedges()
    spend(hedges)
    for _ in range(9):
        hedges.observe("a", 1.0, streamed=True)
    assert not hedges.take()
    hedges.observe("b", 1.0, streamed=False)
    assert spend(hedges) == 1


def test_at_most_ten_hedges_are_saved_up() -> None:
    assert spend(taught(*[1.0] * 1000)) == 10


@given(wants=st.lists(st.booleans(), max_size=300))
def test_whenever_they_are_taken_at_most_one_call_in_ten_is_hedged(wants: list[bool]) -> None:
    hedges = Hedges()
    taken = 0
    for calls, wanted in enumerate(wants, start=1):
        hedges.observe("a", 1.0, streamed=True)
        taken += wanted and hedges.take()
        assert taken <= 1 + calls / 10
