"""Numbers in a text, told apart by their shape: `123-45-6789` has the shape `999-99-9999`, `C4` has `A9`.

One scan finds every run of digits with what is joined to it; a look-up by shape, then key words beside it and a check
sum, say what it is. The work is bounded: a text with more numbers than are looked at counts as holding what was still
looked for, since it can't be ruled out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from planner.classifier.text import Text
    from planner.classifier.words import Words

#: A run of digits, single or in groups with up to two separators between them; of more groups the rest is another run.
_RUN: Final = re.compile(r"9+(?:[ ./()\-]{1,2}9+){0,40}[A9]*")
_GROUP: Final = re.compile(r"[A9]+")
_FRACTION: Final = re.compile(r"9{1,3}\.9+A?9*")
_PIECE: Final = re.compile(r"[^ ]+")
_GAP: Final = re.compile(r"[^A9]+")
#: Digits become 9, ASCII letters and the underscore A.
_SHAPE: Final = bytes.maketrans(
    b"012345678ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_", b"9" * 9 + b"A" * (26 + 26 + 1)
)
_DIGIT: Final = re.compile("9")
#: The first digit of what has seven characters or more: enough of them behind it, or letters in front of it.
_LONG: Final = re.compile(r"9(?:[A9 ./()\-]{3}|(?<=[A9]{4}9))")
_JOINED: Final = ("A", "9")
_HEAD: Final = 24
#: How an IBAN begins whose next group has letters, too.
_IBAN: Final = "AA99"
#: A shorter candidate is nothing: the shortest is the year of somebody's birth in two digits.
_SHORTEST: Final = 2
#: A shorter one is nothing without a word beside it that says what it is.
_NAMELESS: Final = 7
#: A candidate up to this long is one look-up.
_ALONE: Final = 8
#: Groups that a known number has at most.
_GROUPS: Final = 7
#: What one text may cost: a run of digits counts one, and so much more for each group of it that is looked at.
EFFORT: Final = 64_000
_EACH: Final = 8
#: No rule is about a longer one.
_LONGEST: Final = 96
_BEFORE: Final = 48
_AFTER: Final = 20
_CLOSE: Final = 20


class Candidate(NamedTuple):
    """A run of digits with the letters joined to it, or some neighbouring groups of it."""

    seen: Text
    start: int
    end: int
    shape: str

    @property
    def raw(self) -> str:
        """As it stands in the text."""
        return self.seen.text[self.start : self.end]

    @property
    def digits(self) -> int:
        """How many digits it has."""
        return self.shape.count("9")

    def before(self, size: int = _BEFORE) -> str:
        """Return what stands before it, in lower case."""
        return self.seen.before(self.start, size)

    def context(self, size: int = _BEFORE, ahead: int = _AFTER) -> str:
        """Return it with what stands around it, in lower case."""
        return self.seen.around(self.start, self.end, size, ahead)


@dataclass(frozen=True)
class Shaped:
    """A number that has one of a few shapes."""

    kind: str
    shapes: tuple[str, ...]
    #: Looks at the candidate's check digits.
    valid: Callable[[Candidate], bool]
    #: One of them must stand nearby; None: shape and check are enough, unless it is called something else.
    words: Words | None = None
    #: Its check is so strong that it does not matter what it is called.
    sure: bool = False
    #: The word must stand right in front of it.
    close: bool = False


@dataclass(frozen=True)
class Open:
    """A number of no fixed shape; it is looked for only in texts that hold one of its words."""

    kind: str
    holds: Callable[[Candidate], bool]
    #: None: looked for in all texts.
    words: Words | None
    #: What it holds is nothing else besides, whatever its groups look like.
    whole: bool = False


def _runs(shapes: str, first: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Yield every run that begins as told with the letters, digits and underscores joined to it, as start and end."""
    found = first.search(shapes)
    while found:
        start = found.start()
        run = _RUN.match(shapes, start)
        end = run.end() if run else start + 1
        floor = max(0, start - _HEAD)
        while start > floor and shapes[start - 1] in _JOINED:
            start -= 1
        yield start, end
        found = first.search(shapes, end)


def _candidates(seen: Text, shapes: str, shortest: int) -> list[Candidate] | None:
    """Return all candidates that are long enough, or begin like an IBAN.

    None: they are so many that not all can be looked at, and none can be ruled out.
    """
    found: list[Candidate] = []
    left = EFFORT
    for start, end in _runs(shapes, _DIGIT if shortest < _NAMELESS else _LONG):
        left -= 1
        if end - start >= shortest or shapes.startswith(_IBAN, start):
            shape = shapes[start:end]
            left -= _EACH * (1 + len(_GAP.findall(shape)) if end - start > _ALONE else 1)
            found.append(Candidate(seen, start, end, shape))
        if left < 0:
            return None
    return found


def _pieces(whole: Candidate) -> Iterator[Candidate]:
    """Yield what stands between the spaces of a candidate."""
    for piece in _PIECE.finditer(whole.shape):
        start, end = piece.span()
        yield Candidate(whole.seen, whole.start + start, whole.start + end, piece.group())


def _opens(whole: Candidate, rules: Iterable[Open], found: set[str]) -> bool:
    """Hold a candidate against the rules; tell whether it is nothing else besides."""
    if len(whole.shape) > _LONGEST:
        return False
    taken = False
    for rule in rules:
        if (rule.whole or rule.kind not in found) and rule.holds(whole):
            found.add(rule.kind)
            taken |= rule.whole
    return taken


class Table:
    """Numbers by shape."""

    def __init__(self, shaped: Iterable[Shaped]) -> None:
        by_shape: dict[str, tuple[Shaped, ...]] = {}
        for number in shaped:
            for shape in number.shapes:
                by_shape[shape] = (*by_shape.get(shape, ()), number)
        self.by_shape: Final[Mapping[str, tuple[Shaped, ...]]] = by_shape
        #: Stretches of a shape that have a known one, the longest first. A text has few shapes, again and again.
        self.stretches: Final = lru_cache(4096)(self._stretches)

    def _stretches(self, shape: str) -> tuple[tuple[int, int], ...]:
        if shape.isalnum():
            return ((0, len(shape)),) if shape in self.by_shape else ()
        groups = [group.span() for group in _GROUP.finditer(shape)]
        return tuple(
            (begin, groups[last][1])
            for first, (begin, _) in enumerate(groups)
            for last in range(min(first + _GROUPS, len(groups)) - 1, first - 1, -1)
            if shape[begin : groups[last][1]] in self.by_shape
        )


def _shaped(part: Candidate, table: Table, found: set[str], other: Words) -> bool:
    """Look one candidate up; tell whether it is something."""
    hit = False
    for number in table.by_shape[part.shape]:
        if number.kind in found and part.shape.isalnum():
            continue
        beside = part.before(_CLOSE) if number.close else part.context()
        named = number.words is not None and number.words.are_in(beside)
        unnamed = number.words is None and (number.sure or not other.are_in(part.before(_HEAD)))
        if (named or unnamed) and number.valid(part):
            found.add(number.kind)
            hit = True
    return hit


def find(seen: Text, table: Table, rules: Sequence[Open], other: Words) -> set[str]:
    """Return the kinds of the numbers in a text.

    Args:
        seen: the text.
        table: numbers by shape.
        rules: numbers of no fixed shape.
        other: words that call a number something else: order, ticket, …
    """
    found: set[str] = set()
    shapes = seen.bare.translate(_SHAPE).decode("ascii")
    if "9" not in shapes:
        return found
    named = [rule for rule in rules if rule.words is not None and rule.words.may_be_of(seen)]
    active = [rule for rule in rules if rule.words is None or rule in named]
    wholes = _candidates(seen, shapes, _SHORTEST if named else _NAMELESS)
    if wholes is None:
        return {number.kind for numbers in table.by_shape.values() for number in numbers}
    for whole in wholes:
        if len(whole.shape) < _NAMELESS and not whole.shape.startswith(_IBAN):
            _opens(whole, named, found)
            continue
        if _opens(whole, active, found) or _FRACTION.fullmatch(whole.shape):
            continue
        if " " in whole.shape:
            for piece in _pieces(whole):
                _opens(piece, active, found)
        done = 0
        for begin, end in table.stretches(whole.shape):
            # The groups of a number that is something are nothing else besides.
            if begin >= done:
                part = Candidate(seen, whole.start + begin, whole.start + end, whole.shape[begin:end])
                done = end if _shaped(part, table, found, other) else done
    return found
