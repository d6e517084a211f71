"""Which labels of planner.vocabulary a text shows. Linear in its length.

One pass splits the text into words, the rest is look-ups. A pattern runs only where a word has hinted at it, and its
repeats are bounded: no text makes it try the same characters over and over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from planner.vocabulary import TERMS, UNSPACED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: Characters that are looked at: signals stand at the front or the end of a long prompt.
_WINDOW: Final = 4_000
#: Words that are counted, at most.
_COUNTED: Final = 600
#: A sum is set in fewer words; in a longer prompt numbers are its matter.
_SUM_WORDS: Final = 200
#: A question in units, with more numbers than that, is a sum in a story.
_STORY_NUMBERS: Final = 2
#: A prompt that gives more different orders than that wants several things.
_COMMANDS: Final = 2

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
    "import": ("syntax", re.compile(r"import [\w.]{1,60}(?:;|\n|$)")),
    "include": ("syntax", re.compile(r"include (?<=#include )[<\"]")),
    "b": ("answer form", re.compile(r"A(?<!\wA)[).:]\s.{1,400}?(?<!\w)B[).:]\s", re.DOTALL)),
    "2": ("steps", re.compile(r"1(?<!\w1)\) .{1,400}?(?<!\w)2\) ", re.DOTALL)),
}
_SYNTAX: Final = ("```", "=> {", "=>{", "();", "</")
_STEP: Final = re.compile(r"\n[ \t]*(?:\d{1,3}[.)]|[-*•])[ \t]+\S")
_SUM: Final = re.compile(
    r"\d(?: ?[+*^=\u00d7÷]| [-/] ) ?\d|\d ?% (?:of|off|von|de|di)\b|\\(?:frac|int|sum)\b|[√∑∫]"
    # A dash or slash between numbers within a sentence is a range or a date.
    r"|^(?:[Ww]hat(?:'s| is) )?\d[\d.,()+*/^ -]{2,40}[ =?]*$"
)

_ASCII_PUNCTUATION: Final = b"!\"$%&'()*,-./:;<=>?@[\\]^`{|}~"
_TO_SPACES: Final = bytes.maketrans(_ASCII_PUNCTUATION, b" " * len(_ASCII_PUNCTUATION))
_OTHER_PUNCTUATION: Final = "¿¡«»„“”‘’…–—،؛؟।？！"  # noqa: RUF001 - meant as they are
_QUESTION_MARKS: Final = "?？؟"  # noqa: RUF001 - the full-width and the Arabic one, too
#: Scripts without spaces: two of their characters make about one word.
_UNSPACED: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
_HANGUL: Final = re.compile("[\uac00-\ud7af]")


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


def _phrases() -> Mapping[str, tuple[tuple[str, str], ...]]:
    """Return the longest word of each phrase → the phrases with it, between spaces, and their labels."""
    index: dict[str, tuple[tuple[str, str], ...]] = {}
    for term, label in _split(TERMS):
        if " " in term:
            rarest = max(term.split(), key=len)
            index[rarest] = (*index.get(rarest, ()), (f" {term} ", label))
    return index


#: Word → its labels.
LABELS: Final = _index()
_PHRASES: Final = _phrases()
_SIGNS: Final = tuple(_split(UNSPACED))


@dataclass(frozen=True)
class Reading:
    """A text as the signals see it."""

    #: Both ends of the text, when it is long.
    seen: str
    #: In lower case, without punctuation.
    words: Sequence[str]
    #: In words, up to 600 and what unspaced scripts add.
    size: int
    labels: frozenset[str]

    @property
    def questions(self) -> int:
        """Question marks."""
        return sum(self.seen.count(mark) for mark in _QUESTION_MARKS)


def _in_words(seen: str) -> list[str]:
    """Split a text into words in lower case, without punctuation but for what a name may hold: `c++`, `c#`, `a_b`."""
    if not seen.isascii():
        for mark in _OTHER_PUNCTUATION:
            seen = seen.replace(mark, " ")
    # Bytes have a faster table look-up than str; no byte of a longer character is in the table.
    return seen.lower().encode("utf-8", "replace").translate(_TO_SPACES).decode().split()


def read(text: str) -> Reading:
    """Read a text."""
    seen = text if len(text) <= 2 * _WINDOW else text[:_WINDOW] + "\n" + text[-_WINDOW:]
    size = len(text.split(None, _COUNTED))
    unspaced = 0 if seen.isascii() else len(_UNSPACED.findall(seen))
    size += unspaced // 2
    words = _in_words(seen)
    present = set(words)

    labels = {label for word in LABELS.keys() & present for label in LABELS[word]}
    line = f" ^ {' '.join(words)} "
    labels.update(label for word in _PHRASES.keys() & present for phrase, label in _PHRASES[word] if phrase in line)
    if unspaced or not seen.isascii() and _HANGUL.search(seen):
        labels.update(label for sign, label in _SIGNS if sign in seen)
    labels.update(label for hint, (label, pattern) in _HINTS.items() if hint in present and pattern.search(seen))
    if any(mark in seen for mark in _SYNTAX):
        labels.add("syntax")
    if len(_STEP.findall("\n" + seen)) > 1:
        labels.add("steps")
    if size <= _SUM_WORDS:
        numbers = sum(word[0].isdigit() or "number" in LABELS.get(word, ()) for word in words)
        asked = ("quantity" in labels and numbers > 1) or ({"unit", "asks"} <= labels and numbers > _STORY_NUMBERS)
        if asked or _SUM.search(seen):
            labels.add("sum")
    if sum("command" in LABELS.get(word, ()) for word in present) > _COMMANDS:
        labels.add("commands")
    return Reading(seen, words, size, frozenset(labels))
