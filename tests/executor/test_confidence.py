"""Confidence: a prior, moved by agreement, never out of its bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor import confidence

if TYPE_CHECKING:
    from executor.conftest import Lab

SHARES = st.floats(0, 1)


def test_alone_a_model_is_as_sure_as_its_prior(lab: Lab) -> None:
    assert confidence.from_prior(lab.model("a", quality=0.63)) == confidence.Confidence(0.63, "prior")


@pytest.mark.parametrize(("agreement", "value"), [(1.0, 0.9), (0.0, 0.4), (0.5, 0.65)])
def test_full_agreement_halves_the_doubt_and_none_halves_the_prior(lab: Lab, agreement: float, value: float) -> None:
    found = confidence.from_agreement(agreement, lab.model("a", quality=0.8))
    assert found.source == "agreement"
    assert found.value == pytest.approx(value)


@settings(deadline=None)
@given(quality=SHARES, shares=st.tuples(SHARES, SHARES))
def test_more_agreement_is_never_less_confidence(lab: Lab, quality: float, shares: tuple[float, float]) -> None:
    less, more = (confidence.from_agreement(share, lab.model("a", quality=quality)).value for share in sorted(shares))
    assert 0 <= less <= more + 1e-12 <= 1 + 1e-9
