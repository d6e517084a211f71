"""The drill's judge: it would notice what must not happen."""

from __future__ import annotations

import pytest

from drill.ledger import CUT, Phase, Told, assign
from drill.report import table

REFUSED = "502 orchestration_error"


def told(began: float, failure: str = "", seconds: float = 0.1) -> Told:
    return Told(began, began + seconds, failure, id="" if failure else f"prysm-{began}")


def unplanned(*blows: float, window_s: float = 2.0, besides: tuple[str, ...] = ()) -> Phase:
    return Phase("death", 0.0, 30.0, False, window_s, blows, frozenset(besides))


def complaints(phase: Phase, *requests: Told) -> str:
    (verdict,) = assign([phase], list(requests))
    return "\n".join(verdict.complaints())


def test_a_planned_operation_may_fail_nothing() -> None:
    phase = Phase("restart", 0.0, 10.0, planned=True)
    assert complaints(phase, told(1.0), told(2.0)) == ""
    assert "failed requests" in complaints(phase, told(1.0), told(2.0, REFUSED))
    assert "failed requests" in complaints(phase, told(1.0, CUT))


@pytest.mark.parametrize(
    ("request_", "late"),
    [
        (told(0.5, REFUSED), True),  # over before the blow
        (told(0.95, REFUSED), False),  # under way
        (told(2.9, REFUSED), False),
        (told(3.1, REFUSED), True),
        (told(1.0, REFUSED, 60.0), False),  # began in the window, and took its time
        (told(11.0, REFUSED), False),  # of the second blow
    ],
)
def test_an_unplanned_one_may_fail_requests_that_were_under_way_in_its_window(request_: Told, *, late: bool) -> None:
    assert ("outside" in complaints(unplanned(1.0, 10.0), told(0.1), request_)) == late


def test_only_in_ways_that_are_documented() -> None:
    assert complaints(unplanned(1.0), told(1.0, "504 deadline_exceeded")) == ""
    assert "no document" in complaints(unplanned(1.0), told(1.0, "500 oops"))
    assert "no document" in complaints(unplanned(1.0), told(1.0, CUT))
    assert complaints(unplanned(1.0, besides=(CUT,)), told(1.0, CUT)) == ""


def test_an_operation_without_load_shows_nothing() -> None:
    assert "no request ran" in complaints(unplanned(1.0))


def test_requests_belong_to_the_operation_in_which_they_ended() -> None:
    phases = [Phase("one", 0.0, 5.0, planned=True), Phase("two", 5.0, 9.0, planned=True)]
    one, two = assign(phases, [told(1.0), told(4.95), told(6.0), told(20.0)])
    assert (len(one.requests), len(two.requests)) == (1, 3)


def test_recovery_is_counted_from_the_blow_to_the_end_of_the_last_failure() -> None:
    (verdict,) = assign([unplanned(1.0, 10.0)], [told(1.0, REFUSED, 0.5), told(11.0, REFUSED, 0.25), told(12.0)])
    assert verdict.recovered_s == pytest.approx(1.25)
    assert "2 of 502 orchestration_error" in table([verdict])
