"""What an answer finally says, in a form that can be compared: a value of some kind, some words, or a text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from executor.answers import code, finals, literals, outputs, sentences, values, wording
from executor.answers.plain import plain

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from executor.answers.finals import Block, Place
    from executor.answers.quantities import Quantity
    from executor.answers.values import Reading
    from executor.answers.wording import Wording

#: Characters that are read of a text's beginning, and of its end: reading must not hold up the process.
_HALF: Final = 10_000
#: An answer of at most these words and characters is read as a whole; in a longer one its end is.
_BRIEF_WORDS: Final = 25
_BRIEF: Final = 300
#: Places, the last one first, at which a value is looked for.
_MAX_PLACES: Final = 6
#: Part of a text that its code makes, when the code is what it says.
_CODE_SHARE: Final = 0.3


@dataclass(frozen=True)
class Answer:
    """What a text finally says."""

    #: `number`, `choice`, `boolean`, `date`, `json`, `code`, `short` (a name, a few words), or `text`.
    kind: str
    #: The value in one form only: of one kind, equal keys are the same answer. None for a text.
    key: Hashable
    #: The final answer as written, without marker and decoration; of a text all of it that was read.
    final: str
    #: Of a number: it, and what it counts.
    quantity: Quantity | None = None
    #: Of a choice: the words of the option, as the key of a short answer.
    option: str = ""
    #: Sign by sign what JSON holds as the answer; None: it is stated in no such place.
    stated: str | None = None
    #: Whoever asked for JSON can't parse what it stands in.
    broken: bool = False

    @cached_property
    def output(self) -> Hashable:
        """What it is compared by where a program's output is asked for."""
        return outputs.key(self.final if self.stated is None else self.stated)

    @property
    def typed(self) -> bool:
        """Whether it is compared by value."""
        return self.kind != "text"

    @cached_property
    def wording(self) -> Wording:
        """What the final answer states in words; read when it is needed first."""
        return wording.read(self.final)


def read(text: str) -> Answer:
    """Read an answer; of several final answers the last one counts, and of a long text its beginning and its end.

    Never fails, and takes time in proportion to at most 20,000 characters.
    """
    if len(text) > 2 * _HALF:
        text = f"{text[:_HALF]}\n{text[-_HALF:]}"
    try:
        return _read(text)
    except RecursionError:  # a literal that is nested more deeply than this call may go
        return _text(text)


def _read(text: str) -> Answer:
    fenced = finals.blocks(text) if "```" in text else []
    if len(fenced) == 1 and fenced[0].language in code.PROSE and fenced[0].end - fenced[0].begin == len(text.strip()):
        text, fenced = fenced[0].body, []
    # 1. What is marked as the answer, the last one first; a marker before mere prose is one among sentences.
    places = finals.places(text, fenced)
    if found := _last_stated(places[:_MAX_PLACES]):
        return found
    held = next((place.value for place in places if not place.open and isinstance(place.value, str)), None)
    if held:
        return _text(held)
    # 2. A text that is one value.
    if found := _document(text, fenced):
        return found
    # 3. A short text as a whole, or what its end says; of a longer one its opening yes or no, or its conclusion.
    prose = text.strip()
    brief = len(prose) <= _BRIEF and prose.count(" ") < _BRIEF_WORDS
    reading = (sentences.statement(prose) if brief else sentences.argument(prose)) if prose else None
    if reading:
        return _of(reading)
    opened = next((place for place in places if place.open and isinstance(place.value, str)), None)
    return _text(str(opened.value) if opened and len(str(opened.value)) > len(text) / 2 else text)


def _last_stated(places: Sequence[Place]) -> Answer | None:
    """Return the last answer that is stated; words after a marker count for less than a box or JSON before them."""
    words = None
    for place in places:
        if words and place.open:
            continue
        found = _at(place)
        if found and not place.open and not isinstance(place.value, dict):
            found = replace(found, stated=str(place.value), broken=place.broken)
        if found and not (place.open and found.kind == "short"):
            return found
        words = words or found
    return words


def _of(reading: Reading) -> Answer:
    return Answer(reading.kind, reading.key, reading.final, reading.quantity, reading.option)


def _text(text: str) -> Answer:
    return Answer("text", None, text.strip())


def _at(place: Place) -> Answer | None:
    """Read what stands at a place, unless it is prose."""
    value = place.value
    while isinstance(value, dict) and (inner := finals.stated(value)) is not None:
        (value,) = inner
    if not isinstance(value, str):
        return _value(value)
    if value.startswith("```"):
        block = finals.blocks(value)[0]
        return _document(value[: block.end], [block])
    line = value.strip().partition("\n")[0] if place.open else value.strip()
    if not place.open and not plain(line):
        return Answer("short", value.strip("\"'"), value)
    reading = sentences.marked(line) if len(line) <= _BRIEF else values.literal(line)
    return _of(reading) if reading else None


def _value(value: object) -> Answer | None:
    """Return the answer that a value out of JSON is."""
    if isinstance(value, bool):
        return Answer("boolean", value, str(value).lower())
    if isinstance(value, int | float):
        reading = values.number(str(value))
        return _of(reading) if reading else None
    try:
        return Answer("json", literals.freeze(value), str(value))
    except ValueError:
        return None


def _document(text: str, fenced: Sequence[Block]) -> Answer | None:
    """Read a text that is JSON or code, fenced or not, perhaps with some words around it."""
    bodies = [block for block in fenced if block.body.strip() and block.language.lower() not in code.PROSE]
    longest = max((len(block.body) for block in bodies), default=0)
    body, language = text, ""
    if longest and longest >= _CODE_SHARE * len(text):
        # The last one, unless it only shows how a longer one is used.
        chosen = next(block for block in reversed(bodies) if 2 * len(block.body) >= longest)
        body, language = chosen.body, chosen.language.lower()
    if body.lstrip().startswith(("{", "[")):
        try:
            return Answer("json", literals.freeze(literals.parse(body)), body.strip())
        except ValueError:
            pass
    if (body is not text and "\n" in body.strip()) or (language and language != "json") or code.looks_like(text):
        return Answer("code", code.tokens(body, language), body.strip())
    return None
