"""Which labels of planner.vocabulary a text shows. Linear in its length.

One pass splits the text into words, the rest is look-ups. A pattern runs only where a word has hinted at it, and its
repeats are bounded: no text makes it try the same characters over and over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from planner import forms, languages
from planner.vocabulary import TERMS, UNSPACED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

#: Characters that are looked at: signals stand at the front or the end of a long prompt.
_WINDOW: Final = 2_500
#: The same for scripts that say as much in a few characters.
_DENSE_WINDOW: Final = 300
#: Words that tell the language: what is carried along, further back, may be in any.
_FIRST_WORDS: Final = 40
#: Words that are counted, at most.
_COUNTED: Final = 600
#: A sum is set in fewer words; in a longer prompt numbers are its matter.
_SUM_WORDS: Final = 200
#: A question in units, with more numbers than that, is a sum in a story.
_STORY_NUMBERS: Final = 2
#: A prompt that gives more different orders than that wants several things; so does a short one with more of `who`,
#: `when` and their like.
_ORDERS: Final = 2
_ASKING_WORDS: Final = 30

#: Word that hints at something → what that is, and the pattern that makes sure. A pattern begins with a letter, which
#: is much faster to look for than anything else; hence the look-behinds in second place.
_HINTS: Final = {
    "def": ("syntax", re.compile(r"def \w+\(")),
    "class": ("syntax", re.compile(r"class \w+[:({]")),
    "select": ("syntax", re.compile(r"SELECT .{1,200}?\sFROM\s", re.DOTALL)),
    "print": ("syntax", re.compile(r"print(?:ln|f)?\(")),
    "const": ("syntax", re.compile(r"const \w+ ?=")),
    "let": ("syntax", re.compile(r"let \w+ ?=")),
    "var": ("syntax", re.compile(r"var \w+ ?=")),
    "import": ("syntax", re.compile(r"i(?<![^\n]i)mport [\w.]{1,60}(?:;|\n|$)")),
    "#include": ("syntax", re.compile(r"include ?[<\"]")),
    "b": ("answer form", re.compile(r"[Aa](?<!\w[Aa])[).:]\s.{1,400}?(?<!\w)[Bb][).:]\s", re.DOTALL)),
    "2": ("steps", re.compile(r"1(?<!\w1)[).] .{1,400}?(?<!\w)2[).] ", re.DOTALL)),
}
#: A character, which is looked for first since that takes no time, and the marks that it is part of.
_SYNTAX: Final = ((b"`", (b"```",)), (b"{", (b"=> {", b"=>{")), (b";", (b"();",)), (b"<", (b"</",)))
_STEP: Final = re.compile(r"\n[ \t]*(?:\d{1,3}[.)]|[-*•])[ \t]+\S")
_SUM: Final = re.compile(
    r"\d(?: ?[+*^=\u00d7÷]| [-/] ) ?\d|\d ?% (?:of|off|von|de|di)\b|\\(?:frac|int|sum)\b|[√∑∫]"
    # A dash or slash between numbers within a sentence is a range or a date.
    r"|\d (?:times|plus|minus|divided by|mal|geteilt durch|fois|moins|por|más|menos|per|più|meno|mais|vezes) \d"
    r"|^(?:[Ww]hat(?:'s| is) )?\d[\d.,()+*/^ -]{2,40}[ =?]*$"
)
#: A sum with an unknown is an equation or a term.
_UNKNOWN: Final = re.compile(r"\d[xyn]\b|[xyn] ?\^")

#: A formula as it is typeset. Between the signs of two sums of money stand words.
_TYPESET: Final = re.compile(
    r"\$(?:\\[a-zA-Z]+|[a-zA-Z]{1,3}(?![a-zA-Z])|[^$\na-zA-Z]){1,80}\$(?!\d)"
    r"|\\(?:begin\{(?:align|equation|array|cases|pmatrix)|[\[(]|[dt]?frac|sqrt|binom|cdot|overline|angle|sin|cos|tan|log|pi)(?![a-z])"
)
#: So many different words for mathematical objects are no coincidence.
_FORMAL_WORDS: Final = 2

#: How a result is asked for without a question.
_SEEK: Final = frozenset({"find", "determine", "compute", "calculate", "evaluate"})

_ASCII_PUNCTUATION: Final = b"!\"$%&'()*,-./:;<=>?@[\\]^`{|}~"
_TO_SPACES: Final = bytes.maketrans(_ASCII_PUNCTUATION, b" " * len(_ASCII_PUNCTUATION))
_OTHER_PUNCTUATION: Final = "¿¡«»„“”‘’…–—،؛؟।？！"  # noqa: RUF001 - meant as they are
_QUESTION_MARKS: Final = "?？؟"  # noqa: RUF001 - the full-width and the Arabic one, too
#: Scripts without spaces: two of their characters make about one word.
_UNSPACED: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff]+")
#: Its script joins endings to its words.
_HANGUL: Final = re.compile("[\uac00-\ud7af]+")


def _split(table: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for label, terms in table.items():
        for term in terms.split(","):
            yield term.strip(), label


def _index() -> Mapping[str, frozenset[str]]:
    index: dict[str, frozenset[str]] = {}
    for term, label in _split(TERMS):
        if " " not in term:
            index[term] = index.get(term, frozenset()) | {label}
    return index


def _phrases() -> Mapping[str, tuple[tuple[frozenset[str], bytes, str], ...]]:
    """Return the longest word of each phrase → the phrases with it: their words, the phrase as a line, the label."""
    index: dict[str, tuple[tuple[frozenset[str], bytes, str], ...]] = {}
    for term, label in _split(TERMS):
        if " " in term:
            longest = max(term.split(), key=len)
            phrase = (frozenset(term.split()) - {"^"}, f" {term} ".encode(), label)
            index[longest] = (*index.get(longest, ()), phrase)
    return index


#: Word → its labels.
LABELS: Final = _index()
_PHRASES: Final = _phrases()
#: Script → its terms and those that are written in Latin letters, with their labels.
_SIGNS: Final = {
    script: tuple((sign, label) for sign, label in _split(UNSPACED) if sign.isascii() or script.search(sign))
    for script in (_UNSPACED, _HANGUL)
}


@dataclass(frozen=True)
class Reading:
    """A text as the signals see it."""

    #: The first 200, in lower case, without punctuation.
    words: Sequence[str]
    #: In words, up to 600 and what unspaced scripts add.
    size: int
    #: Question marks.
    questions: int
    labels: frozenset[str]
    #: ISO 639-1 code; empty when it can't be told.
    language: str


def _both_ends(text: str, window: int) -> str:
    return text if len(text) <= 2 * window else text[:window] + "\n" + text[-window:]


def _plain(seen: str) -> bytes:
    """Return a text in lower case, as bytes: their searches and look-ups are faster, and no byte is ambiguous."""
    if not seen.isascii():
        for mark in _OTHER_PUNCTUATION:
            seen = seen.replace(mark, " ")
    return seen.lower().encode("utf-8", "replace")


def _decoded(pieces: Iterable[bytes]) -> list[str]:
    return b" ".join(pieces).decode().split()


def _count(label: str, words: Iterable[str]) -> int:
    return sum(label in LABELS.get(word, ()) for word in words)


def _by_terms(words: AbstractSet[str], line: bytes) -> set[str]:
    """Return the labels of words and of the phrases in a line of them, which begins with `^`."""
    labels = {label for word in LABELS.keys() & words for label in LABELS[word]}
    for word in _PHRASES.keys() & words:
        labels.update(label for parts, phrase, label in _PHRASES[word] if parts <= words and phrase in line)
    if _count("command", words) > _ORDERS or (len(words) <= _ASKING_WORDS and _count("asks", words) > _ORDERS):
        labels.add("orders")
    return labels


def _unspaced_words(text: str) -> int:
    """Return how many words of unspaced scripts a text has, by their share in its ends."""
    ends = _both_ends(text, _DENSE_WINDOW)
    if ends.isascii():
        return 0
    return sum(map(len, _UNSPACED.findall(ends))) * len(text) // len(ends) // 2


def _by_signs(seen: str) -> set[str]:
    """Return the labels of terms in scripts that can't be split into words."""
    ends = _both_ends(seen, _DENSE_WINDOW).lower()
    if ends.isascii():
        return set()
    scripts = (script for script in _SIGNS if script.search(ends))
    return {label for script in scripts for sign, label in _SIGNS[script] if sign in ends}


def _by_patterns(seen: str, plain: bytes, words: AbstractSet[str]) -> set[str]:
    """Return what punctuation and order show."""
    labels = {label for hint, (label, pattern) in _HINTS.items() if hint in words and pattern.search(seen)}
    if any(mark in plain for sign, marks in _SYNTAX if sign in plain for mark in marks):
        labels.add("syntax")
    if len(_STEP.findall("\n" + seen)) > 1:
        labels.add("steps")
    return labels


def _by_mathematics(
    seen: str, words: Sequence[str], present: AbstractSet[str], labels: AbstractSet[str], *, one_answer: bool
) -> set[str]:
    """Return what shows that a text speaks of mathematical objects, or wants one number made of others."""
    found = set()
    if "syntax" not in labels and _TYPESET.search(seen):
        found |= {"typeset", "formal"}
    objects = _count("formal word", present)
    if objects >= _FORMAL_WORDS:
        found.add("formal")
    if one_answer and labels.isdisjoint({"answer form", "syntax"}):
        numbers, asks = _numbers(words), not labels.isdisjoint({"asks", "lookup"}) or not _SEEK.isdisjoint(present)
        if found or objects or ("quantity" in labels and numbers) or (asks and numbers > 1):
            found.add("sum")
    return found


def _numbers(words: Iterable[str]) -> int:
    return sum(word[0].isdigit() or "number" in LABELS.get(word, ()) for word in words)


def _is_sum(seen: str, words: Sequence[str], labels: AbstractSet[str]) -> bool:
    numbers = _numbers(words)
    asked = ("quantity" in labels and numbers > 1) or ({"unit", "asks"} <= labels and numbers > _STORY_NUMBERS)
    return asked or _SUM.search(seen) is not None


def read(text: str) -> Reading:
    """Read a text."""
    seen, one_answer = forms.without(_both_ends(text, _WINDOW))
    plain = _plain(seen)
    pieces = plain.translate(_TO_SPACES).split()
    words = _decoded(pieces[:_SUM_WORDS])
    present = frozenset(_decoded(set(pieces)))
    size = len(text.split(None, _COUNTED)) + _unspaced_words(text)

    labels = _by_terms(present, b" ^ " + b" ".join(pieces) + b" ")
    labels |= _by_signs(seen) | _by_patterns(seen, plain, present)
    if size <= _SUM_WORDS and _is_sum(seen, words, labels):
        labels.add("math" if _UNKNOWN.search(seen) else "sum")
    labels |= _by_mathematics(seen, words, present, labels, one_answer=one_answer)
    if one_answer:
        labels.add("one answer")
    questions = sum(seen.count(mark) for mark in _QUESTION_MARKS)
    return Reading(words, size, questions, frozenset(labels), languages.detect(seen, frozenset(words[:_FIRST_WORDS])))
