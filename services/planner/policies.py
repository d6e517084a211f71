"""The objective dial: what each policy demands and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_K: Final = 8


@dataclass(frozen=True)
class Policy:
    """One setting of the dial."""

    #: What an answer must reach, 0..1.
    bar: float
    #: Width, unless the request says another.
    k: int
    #: How much cost weighs against quality in the value of a call.
    cost_weight: float


POLICIES: Final = {
    "efficiency": Policy(bar=0.62, k=2, cost_weight=0.10),
    "balanced": Policy(bar=0.72, k=2, cost_weight=0.04),
    "depth": Policy(bar=0.85, k=3, cost_weight=0.008),
}
