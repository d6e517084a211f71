"""The final answer while it is being written: who speaks, and which part of what a model writes is the answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from executor.plan import Model


class Filter(Protocol):
    """Lets through what belongs to the answer."""

    def feed(self, piece: str) -> str:
        """Take the next piece of a model's text and return the next piece of the answer, or nothing."""


class Whole:
    """A filter for models that write the answer and nothing else; white space alone is no answer, and waits for one."""

    def __init__(self) -> None:
        self._blank: str | None = ""

    def feed(self, piece: str) -> str:
        """Let everything through, from the first word on."""
        if self._blank is None:
            return piece
        self._blank += piece
        if not self._blank.strip():
            return ""
        said, self._blank = self._blank, None
        return said


class Speech:
    """One final answer, said by one attempt at one call: the first that has something to say has the floor."""

    def __init__(self, say: Callable[[str], None], new_filter: Callable[[], Filter]) -> None:
        """Make one; every attempt gets a filter of its own, and `say` gets the pieces of the one that has the floor."""
        self._say = say
        self._new_filter = new_filter
        #: Who has the floor.
        self.speaker: Voice | None = None
        #: Set when somebody has it.
        self.begun = asyncio.Event()
        #: Set when somebody has written anything, be it part of the answer or not.
        self.stirred = asyncio.Event()

    def voice(self, model: Model) -> Voice:
        """Return an attempt's way to speak."""
        return Voice(self, model, self._new_filter())

    def utter(self, voice: Voice, text: str) -> None:
        """Say `text`, if `voice` has the floor or nobody has."""
        if self.speaker is None:
            self.speaker = voice
            self.begun.set()
        if self.speaker is voice:
            self._say(text)


class Voice:
    """What one attempt has to say."""

    def __init__(self, speech: Speech, model: Model, filtered: Filter) -> None:
        self._speech = speech
        self._filter = filtered
        self.model = model

    def __call__(self, piece: str) -> None:
        """Say the part of `piece` that belongs to the answer."""
        self._speech.stirred.set()
        if text := self._filter.feed(piece):
            self._speech.utter(self, text)

    @property
    def heard(self) -> bool:
        """Whether this attempt has the floor: then nobody else can answer in its place."""
        return self._speech.speaker is self
