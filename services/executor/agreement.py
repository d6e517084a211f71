"""How strongly answers agree: clusters of answers that say the same, weighted by who gave them.

No embedding sees that 1945 and 1918, or yes and no, differ; so values, numbers, negations and names are compared first,
and likeness decides only where those do not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

from executor.answers import wording

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet

    from executor.answers import Answer
    from executor.answers.wording import Wording
    from executor.reply import Reply

#: Weight of a model at least: of some whose quality is 0, the larger group still outweighs the smaller.
_LEAST_WEIGHT: Final = 1e-6
#: Words beside a name that make it another one: Virginia, West Virginia.
_QUALIFIERS: Final = frozenset(
    re.findall(
        r"\S+",
        "not no north south east west northern southern eastern western new upper lower anti non",
    )
)
_WORD: Final = re.compile(r"\w+(?:[-.'’]\w+)*")  # noqa: RUF001 - an apostrophe, too


@dataclass(frozen=True)
class Measure:
    """How alike two free texts are."""

    #: Symmetric, 0..1.
    similarity: Callable[[str, str], float]
    #: At or above it they say the same.
    threshold: float


#: Shared words, at a fifth of a millisecond an answer of 400 words. Texts that say the same in other words share 0.3 to
#: 0.8 of them, those on neighbouring matters 0.2 to 0.4: at this threshold it rather misses agreement than invents it.
LEXICAL: Final = Measure(wording.similarity, 0.41)


@dataclass(frozen=True)
class Clusters:
    """Replies by what they say."""

    #: Heaviest first, or where there are chances the likeliest first. In a group the best first: by model quality, then
    #: the one that is most like the others, then the earliest.
    groups: tuple[tuple[Reply, ...], ...]
    #: The largest group's share of all quality weight, 0..1; None with fewer than two replies.
    share: float | None
    #: Whether every answer was compared by value: then one group means the same beyond doubt.
    typed: bool
    #: Each group's calibrated chance of being right, 0..1, and the calibration's id; None outside of what that knows.
    chances: tuple[float, ...] | None = None
    calibration: str | None = None

    @property
    def best(self) -> Reply:
        """The best reply of the largest group."""
        return self.groups[0][0]

    @property
    def dissent(self) -> tuple[Reply, ...]:
        """All replies outside the largest group."""
        return tuple(reply for group in self.groups[1:] for reply in group)

    def share_of(self, reply: Reply) -> float | None:
        """Return the share of all quality weight that says the same as one of the replies; None where `share` is."""
        if self.share is None:
            return None
        weights = [_weight(group) for group in self.groups]
        return sum(weight for weight, group in zip(weights, self.groups, strict=True) if reply in group) / sum(weights)

    def chance_of(self, reply: Reply) -> float | None:
        """Return the calibrated chance that one of the replies is right; None where there are no chances."""
        chances = zip(self.chances or (), self.groups, strict=bool(self.chances))
        return next((chance for chance, group in chances if reply in group), None)


def same(left: Answer, right: Answer, measure: Measure = LEXICAL, *, exact: bool = False) -> bool:  # noqa: PLR0911 - a decision list, read top to bottom
    """Tell whether two answers say the same. Symmetric; every answer says the same as itself.

    `exact` is for outputs of programs: what has a value is compared by it, and everything else sign by sign.
    """
    if exact and left.typed and right.typed:
        return left.output == right.output
    if left.typed and right.typed and by_value(left, right):
        return True
    if left.kind == right.kind and left.kind not in {"short", "text"}:
        return False
    kinds = {left.kind: left, right.kind: right}
    if left.kind == right.kind == "short":
        return _same_words(left, right)
    if left.kind == right.kind == "text" or kinds.keys() == {"boolean", "text"}:
        return left.final == right.final or _same_texts(left, right, measure)
    if kinds.keys() == {"short", "text"}:
        return _states(kinds["text"], kinds["short"])
    if kinds.keys() == {"choice", "short"}:
        return bool(kinds["choice"].option) and kinds["choice"].option == kinds["short"].key
    value = kinds.get("number") or kinds.get("date")
    words = kinds.get("text") or kinds.get("short")
    if value is None or words is None or not words.wording.brief:
        return False
    return words.wording.facts == {value.quantity.value if value.quantity else value.key}


def by_value(left: Answer, right: Answer) -> bool:
    """Tell whether two answers are the same value of one kind."""
    if left.quantity and right.quantity:
        return left.quantity.equals(right.quantity)
    return left.typed and (left.kind, left.key) == (right.kind, right.key)


def cluster(replies: Sequence[Reply], measure: Measure = LEXICAL, *, exact: bool = False) -> Clusters:
    """Group replies that say the same; `exact` as for `same`.

    A reply joins the first group with all of whose replies it agrees; better models found groups before weaker ones.
    Each pair of texts is measured once.
    """
    ordered = sorted(replies, key=lambda reply: (-reply.model.quality, reply.stage, reply.text))
    measure = _once(measure)
    groups: list[list[Reply]] = []
    for reply in ordered:
        for group in groups:
            if all(same(member.answer, reply.answer, measure, exact=exact) for member in group):
                group.append(reply)
                break
        else:
            groups.append([reply])
    weights = [_weight(group) for group in groups]
    heaviest = sorted(zip(weights, groups, strict=True), key=lambda weighed: -weighed[0])
    return Clusters(
        groups=tuple(tuple(_usual_first(group) if exact else _best_first(group, measure)) for _, group in heaviest),
        share=heaviest[0][0] / sum(weights) if len(ordered) > 1 else None,
        typed=bool(groups) and all(_valued(group[0], reply, exact=exact) for group in groups for reply in group),
    )


def _valued(one: Reply, other: Reply, *, exact: bool) -> bool:
    return by_value(one.answer, other.answer) or (exact and one.answer.typed and other.answer.typed)


def _usual_first(group: list[Reply]) -> list[Reply]:
    """Order a group of equal outputs: those first that write it as most of the weight does."""
    forms: dict[str | None, list[Reply]] = {}
    for reply in group:
        forms.setdefault(reply.answer.stated, []).append(reply)
    return sorted(group, key=lambda reply: -_weight(forms[reply.answer.stated]))


def _weight(group: Sequence[Reply]) -> float:
    return sum(max(reply.model.quality, _LEAST_WEIGHT) for reply in group)


def to_measure(replies: Sequence[Reply]) -> list[str]:
    """Return the texts that a measure of these replies may be asked about; none when values alone decide."""
    read = [reply.answer for reply in replies]
    return [answer.final for answer in read] if any(answer.kind == "text" for answer in read) else []


def _best_first(group: list[Reply], measure: Measure) -> list[Reply]:
    """Order a group; likeness is measured only where it can tell apart equally good models."""
    if len(group) < 3 or group[0].model.quality != group[1].model.quality:  # noqa: PLR2004 - two are equally like
        return group
    central = {
        id(reply): sum(_likeness(reply.answer, other.answer, measure) for other in group if other is not reply)
        for reply in group
    }
    return sorted(group, key=lambda reply: (-reply.model.quality, -round(central[id(reply)], 9), reply.stage))


def _once(measure: Measure) -> Measure:
    """Return a measure that remembers, as long as it lives, what it has measured."""
    if measure.similarity is LEXICAL.similarity:
        return measure  # what it needs is remembered by the answers
    remembered = cache(measure.similarity)
    return replace(measure, similarity=lambda left, right: remembered(*sorted((left, right))))


def _likeness(left: Answer, right: Answer, measure: Measure) -> float:
    if measure.similarity is LEXICAL.similarity:  # the same figure, from words that have been read already
        return wording.overlap(left.wording.words, right.wording.words)
    return measure.similarity(left.final, right.final)


def _same_words(left: Answer, right: Answer) -> bool:
    """Compare short answers that are not equal: `Shakespeare` is William Shakespeare, `Virginia` no West Virginia."""
    if not isinstance(left.key, str) or not isinstance(right.key, str):
        return False
    shorter, longer = sorted((left.key, right.key), key=len)
    if not shorter.replace(" ", "").isalpha() or not longer.replace(" ", "").isalpha():
        return False
    if left.final.islower() or right.final.islower():
        return False  # no name
    rest = set(longer.split()) - set(shorter.split())
    return (longer.startswith(f"{shorter} ") or longer.endswith(f" {shorter}")) and not rest & _QUALIFIERS


def _states(text: Answer, short: Answer) -> bool:
    """Tell whether a sentence states a short answer."""
    said, sought = text.wording, short.wording
    if not said.brief or not sought.words <= said.words or not sought.facts <= said.facts:
        return False
    return not said.contradicts(sought) and bool(sought.asserted or sought.denied or sought.facts or sought.words)


def _same_texts(left: Answer, right: Answer, measure: Measure) -> bool:
    one, other = left.wording, right.wording
    shared = len(one.facts & other.facts)
    fewer = min(len(one.facts), len(other.facts))
    if fewer and shared < fewer and ((one.brief and other.brief) or 2 * shared < fewer):
        return False
    if one.contradicts(other):
        return False
    if one.brief and other.brief and one.names - _all(other) and other.names - _all(one):
        return False  # Canberra and Sydney, in however similar sentences
    if one.brief and other.brief and _replaced(left.final, right.final):
        return False
    return _likeness(left, right, measure) >= measure.threshold


def _replaced(left: str, right: str) -> bool:
    """Tell whether two sentences are one sentence in which a few words stand for others: model a, model b."""
    pairs = list(zip_longest(_WORD.findall(left.lower()), _WORD.findall(right.lower())))
    differing = [pair for pair in pairs if pair[0] != pair[1]]
    return bool(differing) and None not in pairs[-1] and 2 * len(differing) <= len(pairs)


def _all(said: Wording) -> AbstractSet[str]:
    return said.names | said.denied | said.asserted
