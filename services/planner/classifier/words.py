"""Key words: terms of several languages, found as words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from planner.classifier.text import LATIN_ENDS, lead_of, pieces_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from planner.classifier.text import Text

#: Scripts that put no space between words, or join endings to them: their terms are found at any place.
_UNSPACED: Final = re.compile(r"[\u0900-\u0dff\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def by_lead(terms: Iterable[str]) -> dict[bytes, tuple[str, ...]]:
    """Return terms of other scripts than Latin by the first byte of their first letter."""
    table: dict[bytes, tuple[str, ...]] = {}
    for term in terms:
        lead = lead_of(next(char for char in term if char >= LATIN_ENDS))
        table[lead] = (*table.get(lead, ()), term)
    return table


def written_in(seen: Text, table: dict[bytes, tuple[str, ...]]) -> Iterator[str]:
    """Yield those terms of other scripts whose script a text has."""
    for lead in sorted(seen.leads & table.keys()):
        yield from table[lead]


class Words:
    """Terms with commas between them, in lower case; `*` at the end of one: it may be the beginning of a word."""

    def __init__(self, terms: str) -> None:
        given = [term for item in terms.split(",") if (term := " ".join(item.split()))]
        self.terms: Final = tuple(dict.fromkeys(given))
        parts = {term: self._parts(term) for term in given}
        #: The longest piece of each term, as in Text.pieces, → all pieces of the terms with it.
        self._heads: Final[dict[bytes, tuple[frozenset[bytes], ...]]] = {}
        for found in filter(None, parts.values()):
            head = max(found, key=len)
            self._heads[head] = (*self._heads.get(head, ()), frozenset(found))
        #: Terms without a piece are looked for in the whole text.
        rest = [term.rstrip("*") for term, found in parts.items() if not found]
        self._latin: Final = tuple(term for term in rest if max(term) < LATIN_ENDS and not term.isascii())
        #: Those of ASCII begin a piece, and are looked for among the pieces.
        self._stems: Final = tuple(term.encode() for term in rest if term.isascii())
        self._foreign: Final = by_lead(term for term in rest if max(term) >= LATIN_ENDS)
        patterns = {term: self._compiled(term) for term in self.terms}
        self._patterns: Final = tuple((term.rstrip("*"), pattern) for term, pattern in patterns.items())
        self._ascii: Final = tuple((term, pattern) for term, pattern in self._patterns if term.isascii())

    @staticmethod
    def _compiled(term: str) -> re.Pattern[str]:
        bare = re.escape(term.rstrip("*"))
        if _UNSPACED.search(term):
            return re.compile(bare)
        return re.compile(rf"(?<![^\W_]){bare}" + ("" if term.endswith("*") else r"(?![^\W_])"))

    @staticmethod
    def _parts(term: str) -> list[bytes]:
        """Return the pieces that a text with the term has; not one that may go on where the term ends."""
        pieces = pieces_of(term.rstrip("*"))
        if pieces and (term.endswith("*") or _UNSPACED.search(term)) and term.rstrip("*")[-1].isascii():
            pieces.pop()
        if pieces and _UNSPACED.search(term) and term[0].isascii():
            pieces.pop(0)
        return pieces

    def may_be_of(self, seen: Text) -> bool:
        """Tell quickly whether a whole text may hold a term."""
        heads = self._heads.keys() & seen.pieces
        return (
            any(parts <= seen.pieces for head in heads for parts in self._heads[head])
            or any(stem in seen.joined for stem in self._stems)
            or any(term in seen.lower for term in self._latin)
            or any(term in seen.lower for term in written_in(seen, self._foreign))
        )

    def end_in(self, lower: str) -> int:
        """Return where the first term ends; -1: there is none. For short texts: it looks at every place."""
        first, end = len(lower), -1
        for term, pattern in self._ascii if lower.isascii() else self._patterns:
            # A text without the letters is told in no time; most are.
            if term in lower and (found := pattern.search(lower)) and found.start() < first:
                first, end = found.span()
        return end

    def are_in(self, lower: str) -> bool:
        """Tell whether a text in lower case holds a term. For short texts."""
        return self.end_in(lower) >= 0
