"""Confidence: a prior, moved by evidence, never out of its bounds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor import confidence

SHARES = st.floats(0, 1)
LOGPROBS = st.floats(-50, 0)


def test_alone_a_model_is_as_sure_as_its_prior() -> None:
    assert confidence.assess(0.63) == confidence.Confidence(0.63, "prior", confidence.Parts(0.63))


@pytest.mark.parametrize(("agreement", "value"), [(1.0, 0.9), (0.0, 0.4), (0.5, 0.65)])
def test_full_agreement_halves_the_doubt_and_none_halves_the_trust(agreement: float, value: float) -> None:
    found = confidence.assess(0.8, agreement=agreement)
    assert (found.source, found.parts.agreement) == ("agreement", agreement)
    assert found.value == pytest.approx(value)


def test_tokens_that_are_as_sure_as_usual_move_nothing() -> None:
    found = confidence.assess(0.8, logprob=math.log(0.9))
    assert found.source == "logprob"
    assert found.value == pytest.approx(0.8)


@pytest.mark.parametrize(("logprob", "value"), [(-0.001, 16 / 17), (-3.0, 0.5)])
def test_log_probabilities_move_the_odds_by_a_factor_of_four_at_most(logprob: float, value: float) -> None:
    assert confidence.assess(0.8, logprob=logprob).value == pytest.approx(value)


def test_the_strongest_evidence_names_the_source_and_all_of_it_is_kept_apart() -> None:
    found = confidence.assess(0.8, logprob=-0.1, agreement=0.6, judge=1.0)
    assert found.source == "judge"
    assert found.parts == confidence.Parts(0.8, 0.6, math.exp(-0.1), 1.0)


@settings(deadline=None)
@given(
    prior=SHARES,
    logprobs=st.tuples(LOGPROBS, LOGPROBS),
    agreements=st.tuples(SHARES, SHARES),
    judges=st.tuples(SHARES, SHARES),
)
def test_more_evidence_for_an_answer_is_never_less_confidence(
    prior: float, logprobs: tuple[float, float], agreements: tuple[float, float], judges: tuple[float, float]
) -> None:
    less, more = (
        confidence.assess(prior, logprob=pick(logprobs), agreement=pick(agreements), judge=pick(judges)).value
        for pick in (min, max)
    )
    assert 0 <= less <= more + 1e-12
    assert more <= 1 + 1e-9
