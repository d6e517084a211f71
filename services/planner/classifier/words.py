"""Key words: terms of several languages, found as words."""

from __future__ import annotations

import re
from typing import Final

from planner.classifier.text import LATIN_ENDS, Text, words_of

#: Scripts that put no space between words, or join endings to them: their terms are found at any place.
_UNSPACED: Final = re.compile(r"[\u0900-\u0dff\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


class Words:
    """Terms with commas between them, in lower case; `*` at the end of one: it may be the beginning of a word."""

    def __init__(self, terms: str) -> None:
        given = [term for item in terms.split(",") if (term := " ".join(item.split()))]
        self.terms: Final = tuple(dict.fromkeys(given))
        bare = {term.rstrip("*") for term in given}
        loose = {term.rstrip("*") for term in given if term.endswith("*") or _UNSPACED.search(term)}
        #: First words of the terms that are words, as in Text.words.
        self._heads: Final = frozenset(words_of(term)[0] for term in bare - loose if words_of(term))
        self._loose: Final = tuple(sorted(loose))
        self._loose_latin: Final = tuple(term for term in sorted(loose) if max(term) < LATIN_ENDS)
        # A term that holds another one is there only with it.
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

    def may_be_of(self, seen: Text) -> bool:
        """Tell quickly whether a whole text may hold a term."""
        loose = self._loose if seen.foreign else self._loose_latin
        return not self._heads.isdisjoint(seen.words) or any(term in seen.lower for term in loose)

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
