"""Circuit breakers under a clock that the test moves."""

from __future__ import annotations

import pytest

from executor.breaker import Breakers

#: Longer than any breaker stays open.
LONG_S = 60.0


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breakers(clock: Clock) -> Breakers:
    return Breakers(clock)


def break_open(breakers: Breakers, model: str = "a") -> int:
    """Fail until the breaker opens; return how many failures it took."""
    for count in range(1, 100):
        breakers.failed(model, "unavailable")
        if not breakers.admits(model):
            return count
    raise AssertionError("it never opens")


def test_a_model_that_nobody_asked_is_admitted(breakers: Breakers) -> None:
    assert breakers.admits("a")
    assert breakers.unhealthy() == ()


def test_a_few_failures_in_a_row_open_it_but_not_one(breakers: Breakers) -> None:
    assert 3 <= break_open(breakers) <= 20
    assert breakers.unhealthy() == ("a",)


def test_a_success_in_between_starts_the_count_anew(breakers: Breakers, clock: Clock) -> None:
    threshold = break_open(Breakers(clock))
    for _ in range(5):
        for _ in range(threshold - 1):
            breakers.failed("a", "timeout")
        breakers.succeeded("a")
    assert breakers.admits("a")


def test_each_model_has_its_own(breakers: Breakers) -> None:
    break_open(breakers, "a")
    assert breakers.admits("b")
    assert breakers.unhealthy() == ("a",)


@pytest.mark.parametrize("reason", ["rate_limited", "rejected", "budget", "call_limit", "circuit_open", "empty_answer"])
def test_what_says_nothing_about_health_never_opens_it(breakers: Breakers, reason: str) -> None:
    for _ in range(100):
        breakers.failed("a", reason)
    assert breakers.admits("a")
    assert breakers.unhealthy() == ()


@pytest.mark.parametrize("reason", ["timeout", "unavailable", "bad_response", "too_large"])
def test_what_says_something_about_health_opens_it(breakers: Breakers, reason: str) -> None:
    for _ in range(100):
        breakers.failed("a", reason)
    assert not breakers.admits("a")


def test_after_a_while_exactly_one_call_may_try(breakers: Breakers, clock: Clock) -> None:
    break_open(breakers)
    clock.now += LONG_S
    assert [breakers.admits("a") for _ in range(5)] == [True, False, False, False, False]


def test_a_probe_that_succeeds_closes_it(breakers: Breakers, clock: Clock) -> None:
    break_open(breakers)
    clock.now += LONG_S
    assert breakers.admits("a")
    breakers.succeeded("a")
    assert breakers.admits("a")
    assert breakers.admits("a")
    assert breakers.unhealthy() == ()


def test_a_probe_that_fails_opens_it_for_another_while(breakers: Breakers, clock: Clock) -> None:
    break_open(breakers)
    clock.now += LONG_S
    assert breakers.admits("a")
    breakers.failed("a", "timeout")
    assert not breakers.admits("a")
    assert breakers.unhealthy() == ("a",)
    clock.now += LONG_S
    assert breakers.admits("a")


@pytest.mark.parametrize("reason", ["rate_limited", "rejected"])
def test_a_probe_that_says_nothing_gives_its_place_to_another(breakers: Breakers, clock: Clock, reason: str) -> None:
    break_open(breakers)
    clock.now += LONG_S
    assert breakers.admits("a")
    breakers.failed("a", reason)
    assert breakers.admits("a")


def test_a_cancelled_probe_gives_its_place_to_another(breakers: Breakers, clock: Clock) -> None:
    break_open(breakers)
    clock.now += LONG_S
    assert breakers.admits("a")
    assert not breakers.admits("a")
    breakers.released("a")
    assert breakers.admits("a")


def test_a_model_that_is_due_for_its_probe_is_not_called_unhealthy(breakers: Breakers, clock: Clock) -> None:
    break_open(breakers)
    clock.now += LONG_S
    assert breakers.unhealthy() == ()
    assert breakers.admits("a")
