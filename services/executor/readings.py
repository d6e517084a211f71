"""How replies to our own prompts are read. Whatever a model writes, a reading is found, or it is none."""

from __future__ import annotations

import re
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Final

from executor.prompts import MARKER

# Neither crosses a line: reading many empty lines would take quadratic time. They leave the answer's own marks alone.
# What decorates a marker is short, so that a stream of nothing but stars is soon known to be none.
_MARKER_LINE: Final = re.compile(
    rf"^[ \t*#_`]{{0,32}}{MARKER[:-1]}[ \t*_`]{{0,8}}:[*_`]{{0,8}}", re.IGNORECASE | re.MULTILINE
)
#: Small models go on in the same line. Behind the end of a sentence alone: criticism may quote the words of an answer.
_MARKER_WITHIN: Final = re.compile(rf"(?<=[.!?] ){MARKER}")
_MARKER_CHARS: Final = 32 + len(MARKER) + 8 + 8
_FIELD_LINE: Final = re.compile(r"^[ \t*#_`]*(DECISION|REASON)[ \t*_`]*:[*_` \t]*(.*)$", re.IGNORECASE | re.MULTILINE)
#: A line that is a verdict and nothing else, with the words around it that models like; or one such within a text.
_VERDICT_LINE: Final = re.compile(
    r"\W*(?:(?:the )?(?:\w+ ){0,2}(?:answer|assistant|verdict|winner|choice)(?: is)?\W+)?(TIE|[A-H])\W*", re.IGNORECASE
)
_NAMED: Final = re.compile(r"\b(?:[Aa]nswer|[Aa]ssistant) ([A-H])\b")
_LINE_CHARS: Final = 100
_DECORATION: Final = " \t*#_`"


def final_answer(text: str, *, cut: bool) -> str:
    """Return what a writer wrote below its marker, or all of it when it left the marker out.

    Of several markers the first with something below it counts, up to the next one. Empty when the writer never came to
    its answer: when nothing is below a marker, or the limit `cut` the text before it.
    """
    criticism, *below = _MARKER_LINE.split(text)
    if not below:
        criticism, *below = _MARKER_WITHIN.split(text)
    if not below:
        return "" if cut else criticism.strip()
    return next((section.strip() for section in below if section.strip()), "")


class BelowMarker:
    """A filter of streams: lets through what `final_answer` will return, as soon as that is certain.

    Held back are the start of a line that may become a marker, and white space that may turn out to be the end.
    """

    def __init__(self) -> None:
        #: What has come and was not let through.
        self._held = ""
        self._begun = False
        self._below = False
        self._ended = False
        self._at_line_start = True
        #: White space that is part of the answer if something follows it.
        self._waiting = ""

    def feed(self, piece: str) -> str:
        """Take the next piece of a writer's text and return the next piece of its answer, or nothing."""
        self._held += piece
        said = ""
        while self._held and not self._ended:
            if self._at_line_start:
                marker = _MARKER_LINE.match(self._held)
                if marker and (marker.end() < len(self._held)):
                    self._held = self._held[marker.end() :]
                    self._ended = self._begun
                    self._below = True
                    self._at_line_start = False
                    continue
                if marker or _may_become_marker(self._held):
                    break
            line, newline, rest = self._held.partition("\n")
            shown, self._held = self._show(line + newline), rest
            said += shown
            self._at_line_start = bool(newline)
        return said

    def _show(self, text: str) -> str:
        """Return what of `text` can be said now; white space waits for what comes after it."""
        if not self._below:
            return ""
        text = self._waiting + text
        self._waiting = ""
        if not self._begun:
            text = text.lstrip()
        kept = text.rstrip()
        self._waiting = text[len(kept) :] if self._begun or kept else ""
        self._begun = self._begun or bool(kept)
        return kept


def _may_become_marker(start: str) -> bool:
    """Tell whether a line's start, without its end, may still become a marker."""
    if "\n" in start or len(start) > _MARKER_CHARS:
        return False
    words = start.lstrip(_DECORATION).upper()
    name = MARKER[:-1]
    return name.startswith(words) or (words.startswith(name) and not words[len(name) :].strip(_DECORATION))


def verdict(text: str, options: int) -> int | None:
    """Return which answer a judge chose, from 0; -1 for a tie, None for no verdict among so many options."""
    lines = [line[:_LINE_CHARS] for line in text.splitlines() if line.strip()] or [""]
    found = _VERDICT_LINE.fullmatch(lines[0]) or _VERDICT_LINE.fullmatch(lines[-1])
    named = {found[1].upper()} if found else set(_NAMED.findall(text))
    if named == {"TIE"}:
        return -1
    if len(named) != 1:
        return None
    index = ascii_uppercase.index(named.pop())
    return index if index < options else None


@dataclass(frozen=True)
class Stance:
    """What a debater does with its answer."""

    #: The new answer; None: the old one stays.
    answer: str | None


def stance(text: str, *, cut: bool) -> Stance:
    """Read a debater's reply: only a decision to change, with a reason and an answer, changes anything."""
    head, *below = _MARKER_LINE.split(text, maxsplit=1)
    fields = {name.upper(): value.strip() for name, value in _FIELD_LINE.findall(head)}
    changes = fields.get("DECISION", "").strip(_DECORATION).upper().startswith("CHANGE")
    answer = final_answer(text, cut=cut) if below else ""
    return Stance(answer if changes and fields.get("REASON") and answer else None)
