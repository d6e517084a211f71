"""How near texts are to each other by their vectors, and how near is the same.

Choices, polarity, numbers and names are to be compared first: to no embedding do 1945 and 1918, or yes and no, differ.
"""

from __future__ import annotations

import math
from operator import mul
from typing import TYPE_CHECKING, Final

from executor.agreement import Measure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

#: Similarity from which on two answers to one question say the same, for all-MiniLM-L6-v2; other models have other
#: scales. Of the 82 hard pairs that it was chosen by (tests/local/answer_pairs.toml) it finds 29 of 40 that say the
#: same, and takes 13 of 42 that do not for the same: opposites in like words are what it can't see. Chosen by half of
#: them, it is right on 64 % of the other half.
SAME: Final = 0.75


def by_vectors(
    embed: Callable[[Sequence[str]], Awaitable[Sequence[Sequence[float]]]], same: float
) -> Callable[[Sequence[str]], Awaitable[Measure]]:
    """Return what makes a measure of given texts: `embed` makes their vectors, `same` is where they say the same."""

    async def measure(texts: Sequence[str]) -> Measure:
        return Measure(similarity(texts, await embed(texts)), same)

    return measure


def similarity(texts: Sequence[str], vectors: Sequence[Sequence[float]]) -> Callable[[str, str], float]:
    """Make a measure of the texts that it is given here.

    Args:
        texts: what will be compared.
        vectors: of each text its own, all of one length, finite.

    Returns:
        A symmetric function of two of the texts: the cosine of their vectors, in 0..1. What points away from each other
        is 0, as is a vector without a direction; a text is 1 to itself. It raises KeyError for any other text.

    Raises:
        ValueError: there are not as many vectors as texts, or they differ in length.
    """
    units = {text: _unit(vector) for text, vector in zip(texts, vectors, strict=True)}
    if len({len(unit) for unit in units.values()}) > 1:
        raise ValueError("the vectors differ in length")

    def measure(left: str, right: str) -> float:
        if left == right and left in units:
            return 1.0
        cosine: float = sum(map(mul, units[left], units[right]))
        return min(1.0, max(0.0, cosine))

    return measure


def _unit(vector: Sequence[float]) -> tuple[float, ...]:
    length = math.hypot(*vector)
    return tuple(value / length for value in vector) if length else tuple(vector)
