"""How far an answer can be trusted: one number, and where it comes from. Not calibrated: priors and agreement only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from executor.plan import Model


@dataclass(frozen=True)
class Confidence:
    """A chance of being right, 0..1."""

    value: float
    #: `prior` or `agreement`.
    source: str


def from_prior(model: Model) -> Confidence:
    """Return what is known before an answer is compared with another: the model's quality on this task."""
    return Confidence(model.quality, "prior")


def from_agreement(agreement: float, best: Model) -> Confidence:
    """Return the best model's prior, moved by how much of the weight agrees.

    Full agreement halves the doubt that the prior left; none halves the prior.
    """
    agreed = 1 - (1 - best.quality) / 2
    alone = best.quality / 2
    return Confidence(alone + (agreed - alone) * agreement, "agreement")
