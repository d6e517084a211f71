"""What a text in prose states: its words, numbers, names, and what it denies."""

# ruff: noqa: RUF001 - signs that look alike are what this is about

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from executor.answers import dates, numerals

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from fractions import Fraction

#: A statement has at most this many words; what it names and denies is compared word by word.
BRIEF_WORDS: Final = 25
#: Letters by which words are told apart: scatters and scattering are one.
_STEM: Final = 6
#: Words after a negation that it denies.
_REACH: Final = 2
#: Words around a text's first and last words in which a long text says what it holds for true.
_CLAIM: Final = 20

#: Numbers of a text that are compared.
_MAX_FACTS: Final = 200

_WORD: Final = re.compile(r"\w[\w'’]*")
#: What stands around a word.
_AROUND: Final = ".,;:!?()[]{}\"'*_`#<>“”‘’«»…–-。，、！？：；（）「」"
#: Signs that stand in many texts whose letters are plain.
_SIGNS: Final = (("’", "'"), ("—", " "), ("–", " "), ("“", " "), ("”", " "), ("…", " "), ("•", " "))
_SPACED: Final = str.maketrans(dict.fromkeys('.,;:!?()[]{}"*_`#<>-/|=+', " "))
_CJK: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
_CJK_NOT: Final = re.compile(r"不|没|沒|未|无|無|非|ない|ません")
#: A contrast denies what was not said: `Canberra, not Sydney`.
_CONTRAST: Final = re.compile(
    r"(?:,| and| rather than| instead of)(?: and| but)? (?:not|nicht|pas|no|não|non) [^,.;:]{1,60}"
)
_NOT: Final = frozenset(
    re.findall(
        r"\S+",
        "not no never cannot cant nor neither without none nobody nothing isn't aren't wasn't weren't don't "
        "doesn't didn't can't couldn't won't wouldn't shouldn't haven't hasn't "
        "hadn't mustn't needn't ain't nicht kein keine keinen keiner nie "
        "pas jamais aucun nunca não nem ningún ninguna nessun nessuna non",
    )
)
#: Words that carry no answer.
_STOP: Final = (
    frozenset(
        re.findall(
            r"\S+",
            "a an the is are was were be been of in on at to for and or but by with as it its this that these those "
            "from which who what when where there their his her he she they we you i so also can will would has have "
            "had do does did if than then such more most any all some may might should could very just only both each "
            "other into about because answer final result therefore thus hence der die das ein eine und ist sind im "
            "den dem von zu mit auf für des le la les un une et est sont de du des en à au aux pour que qui il elle "
            "el los las y es son del por para con se lo gli i e è della di da o os as um uma do dos em no na nos nas "
            "não são não",
        )
    )
    | _NOT
)
#: Two of these are German, where every noun has a capital.
_GERMAN: Final = frozenset(
    re.findall(
        r"\S+",
        "der die das den dem ein eine und ist mit von zu bei nicht",
    )
)
_STOP_STEMS: Final = {"", *(word[:_STEM] for word in _STOP)}
_PREFIXES: Final = ("un", "in", "im", "ir", "il", "dis", "non")


@dataclass(frozen=True)
class Wording:
    """The comparable parts of a text in prose."""

    #: Stems of the words that carry meaning; of text without spaces every two signs that stand together; where there
    #: are none, all that stands between spaces.
    words: AbstractSet[str]
    #: Every number, and of a statement every date.
    facts: AbstractSet[Fraction | str]
    #: Of a statement the words that are written with a capital: names, for the most part. Lower case.
    names: AbstractSet[str]
    #: Of a statement, or of a long text's beginning and end: words that are denied, and words that are not.
    denied: AbstractSet[str]
    asserted: AbstractSet[str]
    #: Whether it is a statement of some words, not a text of some paragraphs.
    brief: bool

    def contradicts(self, other: Wording) -> bool:
        """Tell whether one text denies what the other one states: safe, and not safe or unsafe."""
        return self._denies(other) or other._denies(self)

    def _denies(self, other: Wording) -> bool:
        only_denied = self.denied - self.asserted
        clash = len(only_denied & (other.asserted - other.denied))
        if not (self.brief and other.brief):
            return 2 * clash > len(only_denied)
        return clash > 0 or any(
            word.startswith(prefix) and word[len(prefix) :] in other.asserted
            for word in self.asserted - other.asserted
            for prefix in _PREFIXES
        )


def read(text: str) -> Wording:
    """Read a text in prose."""
    brief = text.count(" ") < BRIEF_WORDS
    if brief:
        text = _CONTRAST.sub(" ", text)
    lowered = text.lower()
    if not lowered.isascii():
        for sign, by in _SIGNS:
            lowered = lowered.replace(sign, by)
    found = _WORD.findall(lowered) if brief else _split(lowered)
    stems = {word[:_STEM] for word in set(found)}
    runs = [] if lowered.isascii() else [run for part in found if not part.isascii() for run in _CJK.findall(part)]
    if runs:
        spaced = _CJK.sub(" ", lowered)
        stems = {word[:_STEM] for word in _WORD.findall(spaced)}
        stems.update(pair for run in runs for pair in _pairs(run))
    stems -= _STOP_STEMS
    facts: set[Fraction | str] = set()
    rest = text
    if brief:
        for found_date, begin, end in dates.in_text(text):
            facts.add(found_date)
            rest = f"{rest[:begin]}{' ' * (end - begin)}{rest[end:]}"
    facts.update(islice(numerals.in_text(rest), _MAX_FACTS))
    if not brief:
        found = [*found[:_CLAIM], "", *found[-_CLAIM:]]
    denied, asserted = _polarity(found)
    if runs and brief:
        side = denied if _CJK_NOT.search(text) else asserted
        side.update(pair for run in runs for pair in _pairs(run) if not _CJK_NOT.search(pair))
    return Wording(
        words=stems or set(lowered.split()),
        facts=facts,
        names=_names(text) - _STOP if brief and len(_GERMAN.intersection(found)) < 2 else frozenset(),  # noqa: PLR2004
        denied=denied,
        asserted=asserted,
        brief=brief,
    )


def overlap(left: AbstractSet[str], right: AbstractSet[str]) -> float:
    """Return how much two sets of words share, 0..1: between the share of the smaller and that of both."""
    shared = len(left & right)
    if not shared:
        return float(left == right)
    return shared / math.sqrt(len(left) * len(right))


def similarity(left: str, right: str) -> float:
    """Return how alike the words of two texts are, 0..1; 1 when they are the same."""
    return overlap(read(left).words, read(right).words)


def _split(lowered: str) -> list[str]:
    """Split a long text into words: several times faster than finding them, and nearly the same."""
    if lowered.isascii():
        return lowered.translate(_SPACED).split()
    return [word.strip(_AROUND) for word in lowered.replace("-", " ").replace("/", " ").split()]


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)] or [run]


def _names(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text) if word[0].isupper()}


def _polarity(words: list[str]) -> tuple[set[str], set[str]]:
    """Split the words that carry meaning into those that a negation reaches, and the others."""
    if _NOT.isdisjoint(words):
        return set(), set(words) - _STOP - {""}
    denied: set[str] = set()
    asserted: set[str] = set()
    reach = 0
    for word in words:
        if not word:
            reach = 0
        elif word in _NOT:
            reach = _REACH
        elif word not in _STOP:
            (denied if reach else asserted).add(word)
            reach = max(0, reach - 1)
    return denied, asserted
