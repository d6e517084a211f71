"""A text as the classifier reads it: digits, dashes and spaces of any script in their plain form, nothing invisible."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_ASCII: Final = re.compile(r"[\x00-\x7f]+")
#: Up to this many different characters are replaced one by one, which is faster than one pass with a table.
_FEW: Final = 24
#: Of the categories format and mark: joiners, marks of direction, variation selectors, the soft hyphen.
_INVISIBLE: Final = frozenset(
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufe0e\ufe0f\ufeff"
)
#: Where less than one in so many characters is beyond ASCII, the others are taken out first.
_MOSTLY: Final = 16
#: ASCII that is neither letter nor digit.
_TO_SPACES: Final = bytes.maketrans(
    bytes(byte for byte in range(0x80) if not chr(byte).isalnum()),
    b" " * sum(not chr(byte).isalnum() for byte in range(0x80)),
)
LATIN_ENDS: Final = "\u0370"
_MINUS: Final = "\u2212"


def words_of(lower: str) -> list[bytes]:
    """Return the words of a text in lower case as UTF-8, without punctuation."""
    # Bytes have a faster table look-up than str; no byte of a longer character is in the table.
    return lower.encode("utf-8", "replace").translate(_TO_SPACES).split()


@lru_cache(4096)
def _plain(char: str) -> str:
    """Return what a character beyond ASCII stands for here; most stand for themselves."""
    if char in _INVISIBLE:
        return ""
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.digit(char))
    if category == "Zs":
        return " "
    if category == "Pd" or char == _MINUS:
        return "-"
    folded = unicodedata.normalize("NFKC", char)
    # Full-width, circled and mathematical letters and signs; a ligature stays, for positions must.
    if len(folded) == 1 and folded.isascii():
        return folded
    # Quotes, bullets and pictures say nothing here, and a text of one byte a letter is searched twice as fast.
    return " " if category[0] in "PS" and char >= LATIN_ENDS else char


def _normal(text: str) -> tuple[str, bool]:
    """Return a text in its plain form, and whether it holds letters of other scripts than Latin."""
    if text.isascii():
        return text, False
    mostly = _MOSTLY * len(text.encode("ascii", "ignore")) > len(text) * (_MOSTLY - 1)
    odd = set(_ASCII.sub("", text)) if mostly else {char for char in set(text) if not char.isascii()}
    table = {char: plain for char in odd if (plain := _plain(char)) != char}
    foreign = any(char >= LATIN_ENDS for char in odd - table.keys() if char.isalpha())
    if len(table) > _FEW:
        # With every character in it: a look-up that fails is slow.
        same: dict[str, int | str | None] = {char: char for char in (*map(chr, range(128)), *odd)}
        return text.translate(str.maketrans(same | table)), foreign
    for char, plain in table.items():
        text = text.replace(char, plain)
    return text, foreign


@dataclass(frozen=True)
class Text:
    """A normalised text, and the same in lower case; both have the same positions."""

    text: str
    lower: str
    #: It holds letters of other scripts than Latin.
    foreign: bool
    #: Its words in lower case as UTF-8, without punctuation.
    words: frozenset[bytes]

    @staticmethod
    def of(text: str) -> Text:
        """Normalise a text; linear in its length."""
        # The one character whose small letter is two.
        normal, foreign = _normal(text)
        normal = normal.replace("\u0130", "I")
        lower = normal.lower()
        return Text(normal, lower, foreign, frozenset(words_of(lower)))

    def before(self, at: int, size: int) -> str:
        """Return what stands before a position, in lower case."""
        return self.lower[max(0, at - size) : at]

    def around(self, start: int, end: int, size: int, ahead: int) -> str:
        """Return what stands around a stretch, in lower case."""
        return self.lower[max(0, start - size) : end + ahead]
