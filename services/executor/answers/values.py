"""One line of an answer as a value: a choice, yes or no, a date, a number, or a literal."""

# ruff: noqa: RUF001 - signs that look alike are what this is about

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from executor.answers import dates, literals, quantities
from executor.answers.plain import fold

if TYPE_CHECKING:
    from collections.abc import Hashable

    from executor.answers.quantities import Quantity

_YES: Final = "yes true correct ja wahr richtig oui vrai sí sì si verdadero cierto vero sim verdadeiro 是 是的 对 はい"
_NO: Final = "no false incorrect wrong nein falsch non faux falso não 否 不 不是 不对 いいえ"
_BOOLEANS: Final = dict.fromkeys(_YES.split(), True) | dict.fromkeys(_NO.split(), False)
_OPENING: Final = re.compile(
    rf"(?P<word>{'|'.join(sorted(_BOOLEANS, key=len, reverse=True))})"
    r"(?:\s*$|\s*[,;:!。，]|\.(?!\w)| ?[-—–] |\n|(?<=yes|.no) (?=it|they|he|she|you|we|this|that|there)\b)",
    re.IGNORECASE,
)

_LETTER: Final = re.compile(r"\(?([A-HJ])\)?[.):]?|\(([A-Ja-j])\)[.:]?|([a-h])[).:]?")
_OPTION: Final = re.compile(
    r"(?:(?i:option|choice|answer|letter|opción|opção|opzione|réponse|antwort|选项)\s*\(?([A-J])\)?(?!\w)[).:]?|"
    r"\(?([A-J])\)|([A-HJ])(?:[.:](?= +[A-Z\d\"'$\\])| -(?= \w)))"
    r"\s*(?P<option>.*)",
    re.DOTALL,
)
_LETTERS: Final = re.compile(r"[A-J](?:(?:, ?(?:and )?| and | & )[A-J])+")
#: What gives a reason, or begins another sentence.
REASON: Final = re.compile(
    r"(?:,? (?:because|since|weil|denn|parce que|car|porque|perché|where|which|as) |; |"
    r", (?:da|as|so) |[.!。] ?(?=[A-Z\u4e00-\u9fff])).*"
)
#: Signs of program text, of data, or of several equations before an equals sign.
_DATA: Final = re.compile(r"[;{}\"'<>\[\]]|=[^=]*(?:, | and | or )")


@dataclass(frozen=True)
class Reading:
    """A value, and the words in which it was written."""

    kind: str
    key: Hashable
    final: str
    quantity: Quantity | None = None
    option: str = ""


def value(text: str) -> Reading | None:
    """Read a plain text that is one value and nothing else."""
    if found := _bracketed(text):
        return found
    return _choice(text) or opening(text) or literal(text) or _date(text) or number(text)


def _bracketed(text: str) -> Reading | None:
    """Read a value that stands in brackets: `(5)`."""
    inner = text[1:-1]
    if not (text.startswith("(") and text.endswith(")")) or "(" in inner or ")" in inner:
        return None
    return number(inner.strip())


def number(text: str) -> Reading | None:
    """Read a plain text that is a quantity, or a variable that equals one."""
    left, sign, right = text.rpartition("=")
    if sign and (_DATA.search(left) or REASON.search(left)):
        return None
    found = quantities.read(right if sign else text)
    return Reading("number", found.key, text, found) if found else None


def _choice(text: str) -> Reading | None:
    if match := _LETTER.fullmatch(text):
        return Reading("choice", (match[1] or match[2] or match[3]).upper(), text)
    if _LETTERS.fullmatch(text):
        return Reading("choice", "".join(sorted(set(re.findall(r"\b[A-J]\b", text)))), text)
    if match := _OPTION.fullmatch(text):
        return Reading("choice", match[1] or match[2] or match[3], text, option=fold(match["option"]))
    return None


def opening(text: str) -> Reading | None:
    """Read yes or no that a line consists of, or begins with."""
    text = text.lstrip(" *_`\"'")
    match = _OPENING.match(text.replace("**", ""))
    return Reading("boolean", _BOOLEANS[match["word"].lower()], text) if match else None


def literal(text: str) -> Reading | None:
    """Read a text in brackets that is JSON, or a Python literal."""
    if not text.startswith(("{", "[", "(")):
        return None
    try:
        found = literals.parse(text)
        if isinstance(found, str | int | float | complex | bytes):
            return None  # brackets around one value
        return Reading("json", literals.freeze(found), text)
    except ValueError:
        return None


def _date(text: str) -> Reading | None:
    found = dates.read(text)
    return Reading("date", found, text) if found else None
