"""What an answer finally says, in a form that can be compared: a number, yes or no, a choice, or words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

#: Answers of at most this many words are compared by what they state; longer ones as texts.
_SHORT_WORDS: Final = 25
#: Characters that are read of a text's beginning, and of its end: reading must not hold up the process.
_HALF: Final = 10_000

# One class instead of optional parts in a row: those would try every way to share a long run of empty lines.
_MARKED: Final = re.compile(
    r"(?:final answer|the answer|answer|result|solution)(?:\s+is)?[\s:=*]*(?P<rest>[^\n]+)", re.IGNORECASE
)
_BOXED: Final = re.compile(r"\\boxed\{(?P<rest>[^{}]*)\}")
_NUMBER: Final = re.compile(r"(?<![\w.])[-+]?\$?\d[\d,]*(?:\.\d+)?(?:\s*/\s*\d+)?%?(?![\w])")
#: A letter alone, or one with its option: `B`, `(b).`, `B) Paris`.
_CHOICE: Final = re.compile(r"\(?([A-Ea-e])\)?[.):]?|\(?([A-E])\)\s.*")
_YES: Final = re.compile(r"(?:yes|true|correct|ja|oui|sí|sim)\b", re.IGNORECASE)
_NO: Final = re.compile(r"(?:no|false|incorrect|nein|non|não)\b", re.IGNORECASE)
_WORD: Final = re.compile(r"[^\W_]+", re.UNICODE)
#: Words that carry no answer.
_STOP: Final = frozenset(
    re.findall(
        r"\w+",
        "a an the is are was were be been of in on at to for and or by with as it its this that these those from which "
        "who what when where there their his her he she they we you i so also can will would has have had do does did "
        "answer final result therefore thus hence",
    )
)


@dataclass(frozen=True)
class Answer:
    """The comparable parts of a text."""

    #: `yes`, `no`, or None: what the text opens or ends with.
    polarity: str | None
    #: A to E, when the final answer is a choice and nothing else.
    choice: str | None
    #: The number that a short answer states last.
    number: Fraction | None
    #: Every number in the text.
    numbers: frozenset[Fraction]
    #: Words that carry meaning, lower case; where there are none, all that stands between spaces.
    words: frozenset[str]
    #: Those of them that are written with a capital: names, for the most part.
    names: frozenset[str]
    short: bool


def _to_number(text: str) -> Fraction | None:
    cleaned = re.sub(r"[,$\s]", "", text)
    percent = cleaned.endswith("%")
    try:
        value = Fraction(cleaned.rstrip("%"))
    except (ValueError, ZeroDivisionError):
        return None
    return value / 100 if percent else value


def read(text: str) -> Answer:
    """Read an answer; of several final answers the last one counts, and of a long text its beginning and its end."""
    if len(text) > 2 * _HALF:
        text = f"{text[:_HALF]}\n{text[-_HALF:]}"
    marked = [match["rest"] for pattern in (_MARKED, _BOXED) for match in pattern.finditer(text)]
    lines = [line for line in text.splitlines() if line.strip()]
    final = (marked[-1] if marked else lines[-1] if lines else "").strip().strip("*_`\"' ")
    numbers = [value for match in _NUMBER.finditer(text) if (value := _to_number(match[0])) is not None]
    last = [value for match in _NUMBER.finditer(final) if (value := _to_number(match[0])) is not None]
    short = len(text.split()) <= _SHORT_WORDS or bool(marked)
    choice = _CHOICE.fullmatch(final)
    polarity = None
    for where in (text.lstrip(" *_`\"'"), final):
        polarity = polarity or ("yes" if _YES.match(where) else "no" if _NO.match(where) else None)
    words = _WORD.findall(text)
    return Answer(
        polarity=polarity,
        choice=(choice[1] or choice[2]).upper() if choice else None,
        number=last[-1] if last and short else numbers[-1] if numbers and short else None,
        numbers=frozenset(numbers),
        words=frozenset(word.lower() for word in words) - _STOP or frozenset(text.split()),
        names=frozenset(word.lower() for word in words if word[0].isupper()) - _STOP,
        short=short,
    )
