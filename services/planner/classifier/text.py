"""A text as the classifier reads it: digits, dashes and spaces of any script in their plain form, nothing invisible."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

#: Up to this many different characters are replaced one by one, which is faster than one pass with a table.
_FEW: Final = 24
#: Of the categories format and mark: joiners, marks of direction, variation selectors, the soft hyphen.
_INVISIBLE: Final = frozenset(
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufe0e\ufe0f\ufeff"
)
#: Comma and full stop of scripts without spaces: as good an end of a word as a space, and too many to replace.
_STOPS: Final = frozenset("\u3001\u3002")
#: ASCII letters in lower case and digits; the rest becomes a space.
_TO_PIECES: Final = bytes(
    ord(char.lower()) if (char := chr(byte)).isascii() and char.isalnum() else ord(" ") for byte in range(0x100)
)
LATIN_ENDS: Final = "\u0370"
_MINUS: Final = "\u2212"
#: First bytes, in UTF-8, of letters of Cyrillic, Arabic, the scripts of India and South-East Asia, of Japanese, Chinese
#: and Korean.
_LEADS: Final = tuple(
    bytes([lead]) for lead in b"\xd0\xd1\xd8\xd9\xda\xdb\xe0\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xeb\xec\xed"
)


def pieces_of(text: str) -> list[bytes]:
    """Return the runs of ASCII letters and digits of a text, in lower case."""
    return text.encode("ascii", "replace").translate(_TO_PIECES).split()


def lead_of(char: str) -> bytes:
    """Return the first byte of a character in UTF-8: a text without it is without the character."""
    return char.encode("utf-8", "replace")[:1]


def plain(char: str) -> str:
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
    return " " if category[0] in "PS" and char >= LATIN_ENDS and char not in _STOPS else char


_plain: Final = lru_cache(4096)(plain)


def _may_change(char: str) -> bool:
    if char.isascii() or char in _STOPS:
        return False
    parts = unicodedata.decomposition(char).split()
    # What is another character, by compatibility or, like the sign for kelvin, altogether.
    stands = len(parts) == 1 or (bool(parts) and parts[0].startswith("<"))
    return char in _INVISIBLE or unicodedata.category(char)[0] in "NPSZ" or stands


def _class() -> str:
    """Return a character class of what is surely plain, in the plane where a pattern looks it up at once."""
    ranges, start = [], 0
    for code in range(0x10000):
        if _may_change(chr(code)):
            if start < code:
                ranges.append(rf"\u{start:04x}-\u{code - 1:04x}")
            start = code + 1
    return f"[{''.join(ranges)}]+"


#: Runs of them are skipped faster than anything else could look for the others.
_SAME: Final = re.compile(_class())


def _normal(text: str) -> str:
    """Return a text in its plain form."""
    if text.isascii():
        return text
    odd = set(_SAME.sub("", text))
    table = {char: new for char in odd if (new := _plain(char)) != char}
    # The one character whose small letter is two.
    if "\u0130" in text:
        table["\u0130"] = "I"
    if len(table) > _FEW:
        # With every character in it: a look-up that fails is slow.
        same: dict[str, int | str | None] = {char: char for char in {*map(chr, range(128)), *text}}
        return text.translate(str.maketrans(same | table))
    for char, new in table.items():
        text = text.replace(char, new)
    return text


def _leads(text: str) -> frozenset[bytes]:
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        written = text.encode("utf-8", "replace")
        return frozenset(lead for lead in _LEADS if lead in written)
    return frozenset()


@dataclass(frozen=True)
class Text:
    """A normalised text, and what tells quickly that something is not in it."""

    text: str
    #: One byte a character; `?` for what is beyond ASCII.
    bare: bytes
    #: Its runs of ASCII letters and digits, in lower case.
    pieces: frozenset[bytes]
    #: The first bytes of its letters of other scripts than Latin and Greek.
    leads: frozenset[bytes]

    @staticmethod
    def of(text: str) -> Text:
        """Normalise a text; linear in its length."""
        normal = _normal(text)
        bare = normal.encode("ascii", "replace")
        leads = frozenset[bytes]() if normal.isascii() else _leads(normal)
        return Text(normal, bare, frozenset(bare.translate(_TO_PIECES).split()), leads)

    @cached_property
    def lower(self) -> str:
        """It in lower case, with the same positions."""
        return self.text.lower()

    @cached_property
    def joined(self) -> bytes:
        """Its pieces, each once, with spaces between them: what is in no piece is not in it, and it is shorter."""
        return b" ".join(self.pieces)

    def before(self, at: int, size: int) -> str:
        """Return what stands before a position, in lower case."""
        return self.text[max(0, at - size) : at].lower()

    def around(self, start: int, end: int, size: int, ahead: int) -> str:
        """Return what stands around a stretch, in lower case."""
        return self.text[max(0, start - size) : end + ahead].lower()
