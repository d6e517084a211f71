"""The ledger: reserve before, settle after."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from executor.budget import Ledger


def test_what_fits_exactly_is_reserved_and_one_more_is_not() -> None:
    ledger = Ledger(100)
    assert ledger.reserve(60)
    assert ledger.reserve(40)
    assert not ledger.reserve(1)
    assert ledger.reserve(0)


def test_settling_gives_back_what_was_not_used() -> None:
    ledger = Ledger(100)
    assert ledger.reserve(90)
    ledger.settle(90, 10)
    assert ledger.spent == 10
    assert ledger.reserve(90)


def test_a_refused_reservation_leaves_nothing_behind() -> None:
    ledger = Ledger(100)
    assert ledger.reserve(1)
    assert not ledger.reserve(100)
    assert ledger.reserve(99)


def test_the_call_for_the_answer_runs_whatever_it_may_cost_while_nothing_else_runs_and_it_counts() -> None:
    ledger = Ledger(100)
    assert ledger.reserve(1000, needed=True)
    assert not ledger.reserve(1, needed=True)
    ledger.settle(1000, 0)
    assert not ledger.reserve(1000)
    assert ledger.reserve(1000, needed=True)
    ledger.settle(1000, 99)
    assert ledger.reserve(1000, needed=True)
    ledger.settle(1000, 1)
    assert not ledger.reserve(1000, needed=True)


def test_what_others_will_need_is_left_for_them() -> None:
    ledger = Ledger(100)
    assert not ledger.reserve(60, keep=41)
    assert ledger.reserve(60, keep=40)
    assert ledger.reserve(40)


def test_without_a_limit_everything_fits() -> None:
    ledger = Ledger(None)
    assert ledger.reserve(10**30)
    ledger.settle(10**30, 10**30)
    assert ledger.spent == 10**30


STEPS = st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 100), st.floats(0, 1)))


@settings(deadline=None)
@given(limit=st.integers(0, 500), steps=STEPS)
def test_spent_and_promised_never_exceed_the_limit_and_one_call(
    limit: int, steps: list[tuple[bool, bool, int, float]]
) -> None:
    ledger, open_calls = Ledger(limit), list[int]()
    for reserves, needed, worst, used in steps:
        if reserves:
            if ledger.reserve(worst, needed=needed):
                open_calls.append(worst)
        elif open_calls:
            settled = open_calls.pop(worst % len(open_calls))
            ledger.settle(settled, int(settled * used))
        assert ledger.spent + sum(open_calls) <= limit + 100
