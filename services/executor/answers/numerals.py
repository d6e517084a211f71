"""Digits and words for numbers, in English or continental style, as exact values."""

# ruff: noqa: RUF001 - signs that look alike are what this is about

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Characters of one number: no answer has more, and exact arithmetic takes time.
_MAX_DIGITS: Final = 400

# Groups of three with spaces come first: `1 234`. In the other form each separator stands between digits, so no part
# can be shared in two ways, and matching is linear.
#: A pattern for digits with separators.
BODY: Final = r"(?:\d{1,3}(?: \d{3})+(?:[.,]\d+)?(?![\d]|[.,]\d)|\d+(?:[.,'’]\d+)*|\.\d+)"
#: What a word after a number multiplies it by.
SCALES: Final = {
    name: scale
    for scale, names in {
        10**2: "hundred hundert",
        10**3: "k thousand tausend mille mil mila",
        10**4: "万 萬",
        10**6: "million millions mn mio mio. millionen millón millones milione milioni milhão milhões",
        10**8: "亿 億",
        10**9: "billion billions bn mrd mrd. milliarde milliarden milliard milliards miliardo miliardi bilhão bilhões",
        10**12: "trillion trillions tn",
    }.items()
    for name in names.split()
}
_ONES: Final = re.findall(
    r"\S+",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen",
)
_TENS: Final = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SPELLED: Final = {word: value for value, word in enumerate(_ONES)} | {
    word: 10 * value for value, word in enumerate(_TENS, 2)
}
_PARTS: Final = {"half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fifth": 5, "fifths": 5}

_MINUS: Final = frozenset("-−")
#: What before a digit makes it a part of something longer.
_JOINS: Final = re.compile(r"[\w.]$|[^\W\d][-−]$")
# Numbers in running text. It begins with a digit, whatever stands before: a search for one is many times faster.
_IN_TEXT: Final = re.compile(
    r"\d(?:\d{0,2}(?: \d{3})+(?:[.,]\d+)?(?!\d|[.,]\d)|\d*(?:[.,'’]\d+)*)(?P<rest>(?: ?/ ?(?P<under>\d+))?"
    r"(?:(?P<percent> ?%)| (?P<scale>thousand|million|billion|trillion|Millionen|Milliarden|millones|millions)\b)?)"
    r"(?P<glued>\w*)"  # taken, so that no digit of a long word is looked at twice
)


def decimal(written: str) -> Fraction | None:
    """Return the value of digits with separators, in English or continental style; None when they make no number.

    A single comma before exactly three digits groups them, a single point never does.
    """
    if len(written) > _MAX_DIGITS:
        return None
    if written.isdecimal():
        return Fraction(int(written))
    written = re.sub("[ '’]", "", written)
    points, commas = written.count("."), written.count(",")
    if points and commas:
        last = max(written.rfind("."), written.rfind(","))
        if written.count(written[last]) > 1:
            return None
        written = f"{re.sub('[.,]', '', written[:last])}.{written[last + 1 :]}"
    elif commas == 1:
        before, after = written.split(",")
        grouped = len(after) == 3 and before != "0" and len(before) <= 3  # noqa: PLR2004 - digits of a group
        written = before + after if grouped else f"{before}.{after}"
    elif commas:
        written = written.replace(",", "")
    elif points > 1:
        if any(len(group) != 3 for group in written.split(".")[1:]):  # noqa: PLR2004 - digits of a group
            return None  # a version, an address
        written = written.replace(".", "")
    try:
        return Fraction(written)
    except ValueError:
        return None


def in_text(text: str) -> Iterator[Fraction]:
    """Yield every number of a running text."""
    for match in _IN_TEXT.finditer(text):
        begin = match.start()
        before = text[max(0, begin - 2) : begin]
        if match["glued"] or _JOINS.search(before):
            continue  # of a name, a version: `v2`, `COVID-19`
        value = decimal(text[begin : match.start("rest")])
        if value is None:
            continue
        if match["under"]:
            under = decimal(match["under"])
            if not under:
                continue
            value /= under
        if match["percent"]:
            value /= 100
        elif match["scale"]:
            value *= SCALES[match["scale"].lower()]
        negative = before[-1:] in _MINUS and not before[:1].isalnum()
        yield -value if negative else value


def spelled(words: list[str]) -> tuple[Fraction, int] | None:
    """Read a small number in English at the beginning of some words in lower case, and count those that it takes.

    `forty two`, `one hundred and five`, `three quarters`.
    """
    total, used = 0, 0
    for word in words:
        value = _SPELLED.get(word)
        if value is not None and (not used or total % 100 == 0 or (total % 10 == 0 and value < 10)):  # noqa: PLR2004 - digits
            total += value
        elif word == "hundred" and 0 < total < 10:  # noqa: PLR2004 - digits
            total *= 100
        elif not (word == "and" and total and total % 100 == 0):
            break
        used += 1
    part = _PARTS.get(words[used]) if used < len(words) else None
    if part and (used or len(words) == 1):
        return Fraction(total if used else 1, part), used + 1
    return (Fraction(total), used) if used else None
