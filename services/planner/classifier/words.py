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
        heads = {term: self._head(term) for term in given}
        #: A piece of each term, as in Text.pieces; the others are looked for in the whole text.
        self._heads: Final = frozenset(head for head in heads.values() if head)
        rest = [term.rstrip("*") for term, head in heads.items() if not head]
        self._latin: Final = tuple(term for term in rest if max(term) < LATIN_ENDS)
        self._foreign: Final = by_lead(term for term in rest if max(term) >= LATIN_ENDS)
        # A term that holds another one is there only with it.
        bare = {term.rstrip("*") for term in given}
        least = [term for term in bare if not any(other in term for other in bare - {term})]
        self._all: Final = tuple(least)
        self._ascii: Final = tuple(term for term in least if term.isascii())
        self._pattern: Final = re.compile(
            "|".join(
                re.escape(term.rstrip("*"))
                if _UNSPACED.search(term)
                else rf"(?<![^\W_]){re.escape(term.rstrip('*'))}" + ("" if term.endswith("*") else r"(?![^\W_])")
                for term in given
            )
        )

    @staticmethod
    def _head(term: str) -> bytes | None:
        """Return the longest piece that a text with the term has; None: it has none that ends where the term's does."""
        pieces = pieces_of(term.rstrip("*"))
        if pieces and (term.endswith("*") or _UNSPACED.search(term)) and term.rstrip("*")[-1].isascii():
            pieces.pop()
        if pieces and _UNSPACED.search(term) and term[0].isascii():
            pieces.pop(0)
        return max(pieces, key=len, default=None)

    def may_be_of(self, seen: Text) -> bool:
        """Tell quickly whether a whole text may hold a term."""
        return (
            not self._heads.isdisjoint(seen.pieces)
            or any(term in seen.lower for term in self._latin)
            or any(term in seen.lower for term in written_in(seen, self._foreign))
        )

    def may_be_in(self, lower: str) -> bool:
        """Tell quickly whether a text in lower case may hold a term."""
        return any(term in lower for term in (self._ascii if lower.isascii() else self._all))

    def end_in(self, lower: str) -> int:
        """Return where the first term ends; -1: there is none. For short texts: it looks at every place."""
        if not self.may_be_in(lower):
            return -1
        found = self._pattern.search(lower)
        return found.end() if found else -1

    def are_in(self, lower: str) -> bool:
        """Tell whether a text in lower case holds a term. For short texts."""
        return self.end_in(lower) >= 0
