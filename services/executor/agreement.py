"""How strongly answers agree: clusters of answers that say the same, weighted by who gave them.

No embedding sees that 1945 and 1918, or yes and no, differ; so choices, polarity and numbers are compared first, and
words decide only where those do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from executor import answers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from executor.answers import Answer
    from executor.reply import Reply

#: Share of the shorter answer's words that the other one has too.
_SHORT_OVERLAP: Final = 0.6
_LONG_OVERLAP: Final = 0.4
#: Weight of a model at least: of some whose quality is 0, the larger group still outweighs the smaller.
_LEAST_WEIGHT: Final = 1e-6


def same(left: Answer, right: Answer) -> bool:  # noqa: PLR0911 - a decision list, read top to bottom
    """Tell whether two answers say the same."""
    if left.choice and right.choice:
        return left.choice == right.choice
    if left.polarity and right.polarity and left.polarity != right.polarity:
        return False
    both_short = left.short and right.short
    if both_short and left.number is not None and right.number is not None:
        return left.number == right.number
    if left.numbers and right.numbers and not (left.numbers <= right.numbers or right.numbers <= left.numbers):
        shared = len(left.numbers & right.numbers)
        if both_short or shared < min(len(left.numbers), len(right.numbers)) / 2:
            return False
    if both_short and left.polarity and left.polarity == right.polarity:
        return True
    if both_short and left.names - right.words and right.names - left.words:
        return False  # Canberra and Sydney, in however similar sentences
    fewer = min(len(left.words), len(right.words))
    if not fewer:
        return left.words == right.words
    return len(left.words & right.words) / fewer >= (_SHORT_OVERLAP if both_short else _LONG_OVERLAP)


def _cluster(replies: Sequence[Reply]) -> list[list[Reply]]:
    """Group replies that say the same, the heaviest group first, the best reply of each group first.

    A reply joins the first group whose best reply it agrees with; better models found groups before weaker ones.
    """
    groups: list[tuple[Answer, list[Reply]]] = []
    for reply in sorted(replies, key=lambda reply: (-reply.model.quality, reply.stage)):
        answer = answers.read(reply.text)
        for founder, group in groups:
            if same(founder, answer):
                group.append(reply)
                break
        else:
            groups.append((answer, [reply]))
    return sorted((group for _, group in groups), key=lambda group: -_weight(group))


def _weight(group: Sequence[Reply]) -> float:
    return sum(max(reply.model.quality, _LEAST_WEIGHT) for reply in group)


def share(clusters: Sequence[Sequence[Reply]]) -> float | None:
    """Return the largest cluster's share of all quality weight, 0..1; None when one answer was compared."""
    weights = [_weight(group) for group in clusters]
    if sum(len(group) for group in clusters) < 2:  # noqa: PLR2004 - one answer agrees with nobody
        return None
    return max(weights) / sum(weights)


from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    similarity: Callable[[str, str], float]
    threshold: float


LEXICAL = Measure(lambda a, b: 0.0, 1.0)


@dataclass(frozen=True)
class Clusters:
    groups: tuple[tuple[Reply, ...], ...]
    share: float | None
    typed: bool

    @property
    def best(self) -> Reply:
        return self.groups[0][0]

    @property
    def dissent(self) -> tuple[Reply, ...]:
        return tuple(r for g in self.groups[1:] for r in g)

    def share_of(self, reply: Reply) -> float | None:
        if self.share is None:
            return None
        return sum(_weight(g) for g in self.groups if reply in g) / sum(_weight(g) for g in self.groups)


def cluster(replies: Sequence[Reply], measure: Measure = LEXICAL) -> Clusters:
    groups = _cluster(replies)
    return Clusters(tuple(tuple(g) for g in groups), share(groups), all(answers.read(r.text).short for r in replies))
