"""Whether a recorded text answers its question, by the rules that the published tables were made by.

The first JSON object's `answer`, else what looks like one, else what is boxed. A program's output is compared as text,
everything else as its first number.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Final

from executor.answers.literals import DECODER

if TYPE_CHECKING:
    from executor.recording import Question

#: Task sets whose gold labels are texts.
_TEXTS: Final = frozenset({"crux"})

_FIELD: Final = re.compile(r'"answer"\s*:\s*(?:"((?:[^"\\]|\\.)*)"|([^,}\n]+))')
_BOXED: Final = re.compile(r"\\boxed\{([^{}]*)\}")
_QUOTIENT: Final = re.compile(r"(-?\d+(?:\.\d+)?)\s*/\s*(-?\d+(?:\.\d+)?)")
_NUMBER: Final = re.compile(r"-?(?:\d+\.?\d*|\.\d+)")
_CLOSE: Final = 1e-6


def right(question: Question, text: str) -> bool:
    """Tell whether a text gives the gold answer."""
    found = stated(text)
    if found is None:
        return False
    if question.task in _TEXTS or (number(question.gold) is None):
        return _bare(found) == _bare(question.gold)
    value, gold = number(found), number(question.gold)
    return value is not None and gold is not None and math.isclose(value, gold, rel_tol=0, abs_tol=_CLOSE)


def stated(text: str) -> str | None:
    """Return the answer that a text states, or None."""
    told = _first_object(text)
    if told is not None and "answer" in told:
        return str(told["answer"])
    if match := _FIELD.search(text):
        return match[1] if match[1] is not None else match[2].strip()
    boxed = _BOXED.findall(text)
    return boxed[-1] if boxed else None


def number(text: str) -> float | None:
    """Return the number that a text is graded by: a quotient's value, or the first number in it."""
    text = re.sub(r"[$,#]", "", text).strip()
    match = _QUOTIENT.fullmatch(text)
    if match and float(match[2]):
        return float(match[1]) / float(match[2])
    found = _NUMBER.search(text)
    return float(found[0]) if found else None


def _bare(text: str) -> str:
    return text.strip("\"'").replace("\n", "\\n")


def _first_object(text: str) -> dict[str, object] | None:
    at = text.find("{")
    while at >= 0:
        try:
            value, _ = DECODER.raw_decode(text, at)
        except (json.JSONDecodeError, RecursionError):
            at = text.find("{", at + 1)
        else:
            return value if isinstance(value, dict) else None
    return None
