"""Numbers as people and models write them, with their units, as exact values."""

# ruff: noqa: RUF001 - signs that look alike are what this is about

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from executor.answers import numerals, units
from executor.answers.numerals import BODY, SCALES

if TYPE_CHECKING:
    from executor.answers.units import Unit

_MAX_EXPONENT: Final = 400
#: Words that may follow a number as what is counted: `3 bolts in total`.
_MAX_COUNTED: Final = 6

_AMOUNT: Final = re.compile(
    rf"(?P<sign>[-+]?) ?(?P<currency>(?:US)?\$|[€£¥₹])? ?(?P<minus>-?)"
    rf"(?:(?P<whole>\d+)(?: +and)?[ +]+(?=\d+/\d))?(?P<body>{BODY})"
    r"(?:[eE](?P<exponent>[-+]?\d{1,4})(?!\w)| ?[×x*] ?10\^?(?P<power>[-+]?\d{1,4}))?"
    r"(?: ?/ ?(?P<under>\d+)(?![\d/]))?"
)
_POWER: Final = re.compile(r"([-+]?)10\^([-+]?\d{1,3})")
_HEDGE: Final = re.compile(
    r"(?:therefore|thus|indeed|simply|actually|approximately|approx\.?|about|around|roughly|exactly|only|just|"
    r"a total of|total of|etwa|ungefähr|rund|environ|aproximadamente|circa|约|[~≈])\s*",
    re.IGNORECASE,
)
_MINUS: Final = re.compile(r"^(?:minus|negative) (?=\d)", re.IGNORECASE)
_PERCENT: Final = re.compile(
    r"%|per ?cent\b(?!age)|prozent\b|pour cent\b|por ciento\b|per cento\b|por cento\b", re.IGNORECASE
)
#: What makes a rate of an amount; those with a name of their own are units.
_PER: Final = re.compile(r" ?(?:/|per\b|an? |each )")
_LETTERS: Final = re.compile(r"[^\W\d_]+\.?")
_COUNTED: Final = re.compile(r"[.,;/]? ?(?:\(?[^\W\d][\w'’./-]*\)?,? ?)*")
#: What follows a number that is not the answer by itself: another number, an operation, a part of something.
_GOES_ON: Final = re.compile(
    r"\d|[-+*^=×<>:~|]|/ ?\d|\b(?:or|and|to|of|till|until|oder|und|bis|ou|et|o|y|e|through)\b", re.IGNORECASE
)
_JOINT: Final = re.compile(r",? (?:and |und |et |y |e )?|,")


@dataclass(frozen=True)
class Quantity:
    """A number and what it counts."""

    #: As written, scales and percent applied: 5 km is 5.
    value: Fraction
    #: None when none was written, or one that measures nothing: 3 apples.
    unit: Unit | None = None
    #: Written with a percent sign: 50 % has the value 1/2, and may be what others write as 50.
    percent: bool = False

    @property
    def key(self) -> Fraction | tuple[Fraction, str]:
        """The value in the dimension's base unit, with the dimension; the bare value without a unit."""
        if self.unit is None:
            return self.value
        return self.value * self.unit.factor + self.unit.offset, self.unit.dimension

    def equals(self, other: Quantity) -> bool:
        """Tell whether both are the same amount; a missing unit is any."""
        if self.unit is None or other.unit is None:
            share, bare = (self, other) if self.percent else (other, self)
            unmarked = share.percent and not bare.percent and bare.unit is None
            return share.value == bare.value or (unmarked and 100 * share.value == bare.value)
        return self.key == other.key


def read(text: str) -> Quantity | None:
    """Read a text that is a quantity and nothing else but what it counts; characters must be plain (`plain.plain`)."""
    text = _MINUS.sub("-", text.strip(), count=1)
    text = _HEDGE.sub("", text.strip(), count=1) if _HEDGE.match(text.strip()) else text.strip()
    found = _amount(text)
    if found is None:
        return _spelled(text)
    value, currency, end = found
    quantity, rest = _with_unit(value, currency, text[end:])
    if quantity is None or quantity.unit is None:
        return quantity if quantity is not None and _only_counts(rest) else None
    # Feet and inches, hours and minutes: parts of one amount.
    joint = _JOINT.match(rest)
    if rest and joint and (more := read(rest[joint.end() :])) and more.unit:
        if more.unit.dimension != quantity.unit.dimension or more.unit.offset:
            return None
        return Quantity(value + more.value * more.unit.factor / quantity.unit.factor, quantity.unit)
    return quantity if _only_counts(rest) else None


def leading(text: str) -> tuple[Quantity, str] | None:
    """Read the quantity at the beginning of a plain text, and return it with the rest."""
    found = _amount(text)
    if found is None:
        return None
    value, currency, end = found
    quantity, _ = _with_unit(value, currency, text[end:])
    return (quantity, text[end:]) if quantity else None


def _amount(text: str) -> tuple[Fraction, str, int] | None:
    """Read the number at the beginning: value, currency sign, and where it ends."""
    if match := _POWER.match(text):
        value = Fraction(10) ** int(match[2])
        return (-value if match[1] == "-" else value), "", match.end()
    match = _AMOUNT.match(text)
    read_value = numerals.decimal(match["body"]) if match else None
    if match is None or read_value is None:
        return None
    exponent = int(match["exponent"] or match["power"] or 0)
    if abs(exponent) > _MAX_EXPONENT:
        return None
    value = read_value * Fraction(10) ** exponent
    if match["under"]:
        under = numerals.decimal(match["under"])
        if not under:
            return None
        value /= under
    if match["whole"]:
        value += numerals.decimal(match["whole"]) or 0
    negative = (match["sign"] == "-") != (match["minus"] == "-")
    return (-value if negative else value), match["currency"] or "", match.end()


def _with_unit(value: Fraction, currency: str, rest: str) -> tuple[Quantity | None, str]:
    """Apply scale, percent and unit that follow a number; return the quantity and what is left of the text."""
    attached = bool(rest) and not rest[0].isspace()
    rest = rest.lstrip()
    if match := _PERCENT.match(rest):
        return Quantity(value / 100, percent=True), rest[match.end() :].strip()
    if (match := _LETTERS.match(rest)) and (scale := _scale(match[0], attached=attached, money=bool(currency))):
        value, rest, attached = value * scale, rest[match.end() :].strip(), False
    if currency:
        return Quantity(value, units.find(currency)), rest
    words = rest.split(maxsplit=units.LONGEST)
    for count in range(min(units.LONGEST, len(words)), 0, -1):
        name = " ".join(words[:count]).rstrip(".,;")
        unit = units.find(name)
        if unit and not (name in {"in", "A", "an"} and len(words) > count):  # `5 in total` is no length
            left = rest[rest.find(words[count - 1]) + len(words[count - 1].rstrip(",")) :].strip(".")
            return Quantity(value, None if _PER.match(left) else unit), left
    if attached and rest[0].isalnum() and rest[0] < "\u3040":  # of a script whose words are not set apart
        return None, rest  # `5x`, `v2`, `3rd`
    return Quantity(value), rest


def _scale(word: str, *, attached: bool, money: bool) -> int | None:
    if word in {"M", "B"} and money:
        return 10**6 if word == "M" else 10**9
    if word.lower() == "k" and not attached:
        return None  # kelvins
    return SCALES.get(word.lower())


def _only_counts(rest: str) -> bool:
    """Tell whether a text only says what was counted, and makes no other number of it."""
    return not rest or (
        len(rest.split()) <= _MAX_COUNTED and _COUNTED.fullmatch(rest) is not None and not _GOES_ON.search(rest)
    )


def _spelled(text: str) -> Quantity | None:
    """Read a number in words, and at most one word that it counts."""
    words = text.lower().replace("-", " ").split(maxsplit=8)
    found = numerals.spelled(words)
    if found is None:
        return None
    value, used = found
    rest = words[used:]
    quantity, left = _with_unit(value, "", " " + " ".join(rest))
    return quantity if quantity and (quantity.unit or len(rest) <= 1) and _only_counts(left) else None
