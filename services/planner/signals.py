"""What a prompt looks like: task, shape and stakes. Pure, and linear in the prompt's length.

One pass splits it into words, the rest is look-ups in `planner.vocabulary`. A pattern runs only where a word has
hinted at it, and its repeats are bounded: no text makes it try the same characters over and over.
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
_TRIVIAL_WORDS: Final = 12
_TINY_WORDS: Final = 6
_LONG_WORDS: Final = 600
#: A sum is set in fewer words; in a longer prompt numbers are its matter.
_SUM_WORDS: Final = 200
#: A longer prompt that asks for a fact says so with one of its first words.
_OPENING_WORDS: Final = 4

#: What shows a task → the task; the first that is there wins: what is asked for goes before what it is about.
_TASKS: Final = {
    "small talk": "general",
    "code": "code",
    "math": "math",
    "translation": "translation",
    "creative": "creative",
    "extraction": "extraction",
    "reasoning": "reasoning",
    "lookup": "factual",
}
#: Their prompts carry a text, whose questions and lists are not the client's.
_CARRIERS: Final = frozenset({"code", "translation", "extraction"})

#: Word that hints at something → what that is, and the pattern that makes sure. A pattern begins with a letter, which
#: is much faster to look for than anything else; hence the look-behinds in second place.
_HINTS: Final = {
    "def": ("code", re.compile(r"def \w+\(")),
    "class": ("code", re.compile(r"class \w+[:({]")),
    "select": ("code", re.compile(r"SELECT .{1,200}?\sFROM\s", re.DOTALL)),
    "b": ("answer form", re.compile(r"A(?<!\wA)[).:]\s.{1,400}?(?<!\w)B[).:]\s", re.DOTALL)),
    "2": ("steps", re.compile(r"1(?<!\w1)\) .{1,400}?(?<!\w)2\) ", re.DOTALL)),
}
_SYNTAX: Final = ("```", "=> {", "=>{")
_STEP: Final = re.compile(r"\n[ \t]*(?:\d{1,3}[.)]|[-*•])[ \t]+\S")
_MATH: Final = re.compile(
    r"\d(?: ?[+*^=\u00d7÷]| [-/] ) ?\d|\d ?% (?:of|off|von|de|di)\b|\\(?:frac|int|sum)\b|[√∑∫]"
    # A dash or slash between numbers within a sentence is a range or a date.
    r"|^(?:[Ww]hat(?:'s| is) )?\d[\d.,()+*/^ -]{2,40}[ =?]*$"
)

_ASCII_PUNCTUATION: Final = b"!\"$%&'()*,-./:;<=>?@[\\]^`{|}~"
_TO_SPACES: Final = bytes.maketrans(_ASCII_PUNCTUATION, b" " * len(_ASCII_PUNCTUATION))
_OTHER_PUNCTUATION: Final = "¿¡«»„“”‘’…–—"  # noqa: RUF001 - meant as they are
#: Two of these characters make about one word.
_UNSPACED: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff]")


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


#: Word → its labels.
_WORDS: Final = _index()
#: The words of a phrase, all of which must be there before it is looked for; the phrase between spaces; its label.
_PHRASES: Final = tuple((frozenset(term.split()), f" {term} ", label) for term, label in _split(TERMS) if " " in term)
_SIGNS: Final = tuple(_split(UNSPACED))


@dataclass(frozen=True)
class Signals:
    """What fired."""

    task: str
    #: Short and of one step: more models would agree or be noise.
    trivial: bool
    #: Several questions or tasks in one prompt.
    compound: bool
    #: The answer is short and can be compared: a number, a letter, yes or no.
    checkable: bool
    #: People of good will disagree.
    contested: bool
    #: More than 600 words.
    long: bool

    def names(self) -> tuple[str, ...]:
        """Return the task and the signals that fired, in a fixed order."""
        flags = ("trivial", "compound", "checkable", "contested", "long")
        return (self.task, *(flag for flag in flags if getattr(self, flag)))


def _in_words(seen: str) -> list[str]:
    """Split a text into words in lower case, without punctuation but for what a name may hold: `c++`, `c#`, `a_b`."""
    if not seen.isascii():
        for mark in _OTHER_PUNCTUATION:
            seen = seen.replace(mark, " ")
    # Bytes have a faster table look-up than str; no byte of a longer character is in the table.
    return seen.lower().encode("utf-8", "replace").translate(_TO_SPACES).decode().split()


def _labels(seen: str, words: Sequence[str], size: int, *, unspaced: bool) -> set[str]:
    present = set(words)
    labels = {label for word in _WORDS.keys() & present for label in _WORDS[word]}
    line = f" {' '.join(words)} "
    labels.update(label for parts, phrase, label in _PHRASES if parts <= present and phrase in line)
    if unspaced:
        labels.update(label for sign, label in _SIGNS if sign in seen)
    labels.update(label for hint, (label, pattern) in _HINTS.items() if hint in present and pattern.search(seen))
    if any(mark in seen for mark in _SYNTAX):
        labels.add("code")
    if len(_STEP.findall("\n" + seen)) > 1:
        labels.add("steps")
    if size <= _SUM_WORDS and (
        _MATH.search(seen) or ("quantity" in labels and sum(word[0].isdigit() for word in words) > 1)
    ):
        labels.add("math")
    return labels


def _is_question(labels: set[str], words: Sequence[str], size: int) -> bool:
    """Tell whether the prompt asks for a fact."""
    if size <= _TRIVIAL_WORDS:
        return not labels.isdisjoint({"asks", "lookup", "quantity"})
    return any("asks" in _WORDS.get(word, ()) for word in words[:_OPENING_WORDS]) or "lookup" in labels


def detect(text: str) -> Signals:
    """Read the signals of the last user message."""
    seen = text if len(text) <= 2 * _WINDOW else text[:_WINDOW] + "\n" + text[-_WINDOW:]
    size = len(text.split(None, _LONG_WORDS))
    unspaced = 0 if seen.isascii() else len(_UNSPACED.findall(seen))
    size += unspaced // 2
    words = _in_words(seen)
    labels = _labels(seen, words, size, unspaced=unspaced > 0)
    task = next((task for sign, task in _TASKS.items() if sign in labels), "general")
    if task == "general" and "small talk" not in labels and _is_question(labels, words, size):
        task = "factual"

    questions = seen.count("?") + seen.count("？")  # noqa: RUF001 - the full-width one, too
    several = task not in _CARRIERS and (questions > 1 or "steps" in labels)
    compound = several or (task != "code" and size > _TINY_WORDS and "join" in labels)
    contested = "contested" in labels and task not in {"code", "math", "translation", "extraction"}
    checkable = "answer form" in labels or (task == "math" and not compound and "proof" not in labels)
    greeting = task == "general" and size <= _TINY_WORDS and not labels.isdisjoint({"greeting", "small talk"})
    simple = task == "factual" or (task == "math" and size <= _TINY_WORDS and "proof" not in labels) or greeting
    return Signals(
        task=task,
        trivial=simple and size <= _TRIVIAL_WORDS and not compound and not contested,
        compound=compound,
        checkable=checkable,
        contested=contested,
        long=size > _LONG_WORDS,
    )
