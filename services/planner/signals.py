"""What a prompt looks like: task, form and stakes. Pure, and linear in the prompt's length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from planner import labels

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from planner.labels import Reading

_TRIVIAL_WORDS: Final = 12
_TINY_WORDS: Final = 6
_LONG_WORDS: Final = 600
#: A longer prompt that asks for a fact says so with one of its first words.
_OPENING_WORDS: Final = 4

#: Label → the task that it shows; the first that is there wins: what is asked for goes before what it is about.
_TASKS: Final = {
    "small talk": "general",
    "typeset": "math",
    "code": "code",
    "math": "math",
    "compute": "math",
    "sum": "math",
    "translation": "translation",
    "creative": "creative",
    "extraction": "extraction",
    "syntax": "code",
    "write": "creative",
    "judgement": "reasoning",
    "reasoning": "reasoning",
    "lookup": "factual",
}
#: Of these the one that the first words name goes first: `Summarize this and translate it` is no translation.
_OPENERS: Final = frozenset({"translation", "creative", "extraction", "reasoning"})
#: Their prompts carry a text, whose questions and lists are not the client's.
_CARRIERS: Final = frozenset({"code", "translation", "extraction"})
#: Nobody disagrees about what they are about, or it is not for us to say.
_SETTLED: Final = frozenset({"code", "math", "translation", "extraction", "creative"})

#: Two good answers to one of these are never the same one.
_WRITTEN: Final = frozenset({"translation", "creative"})

_FLAGS: Final = ("trivial", "compound", "checkable", "contested", "open", "code", "long")


@dataclass(frozen=True)
class Signals:
    """What fired."""

    task: str
    #: Short and of one step: more models would agree or be noise.
    trivial: bool
    #: Several questions or tasks in one prompt.
    compound: bool
    #: The answer is short and can be compared: a number, a letter, yes or no.
    checkable: bool
    #: People of good will disagree.
    contested: bool
    #: Many answers are good, and wording or judgement tells them apart.
    open: bool
    #: The prompt holds code, whatever its task.
    code: bool
    #: More than 600 words.
    long: bool
    #: ISO 639-1 code of the language of the prompt; empty when it can't be told.
    language: str
    #: It speaks of mathematical objects, not of things that are counted.
    formal: bool = False

    @property
    def kind(self) -> str:
        """The kind of its task, as finely as recorded evidence is kept: models differ more by kind than by task."""
        if not self.checkable:
            return self.task
        if self.task == "math":
            return "math, formal" if self.formal else "math, in a story"
        return "code, its output" if self.task == "code" else f"{self.task}, short answer"

    def names(self) -> tuple[str, ...]:
        """Return the task and the signals that fired, in a fixed order."""
        flags = (flag for flag in _FLAGS if getattr(self, flag))
        return (self.task, *flags, *((f"language {self.language}",) if self.language else ()))


def _asks_for_a_fact(reading: Reading) -> bool:
    if reading.size <= _TRIVIAL_WORDS:
        return not reading.labels.isdisjoint({"asks", "lookup", "quantity"})
    opening = (labels.LABELS.get(word, ()) for word in reading.words[:_OPENING_WORDS])
    return "lookup" in reading.labels or any("asks" in found for found in opening)


def _task(reading: Reading) -> str:
    found = reading.labels
    task = next((task for label, task in _TASKS.items() if label in found), "general")
    if task in _OPENERS:
        opening = (labels.LABELS.get(word, frozenset()) & _OPENERS for word in reading.words[:_OPENING_WORDS])
        task = next((label for first in opening for label in sorted(first)), task)
    elif task == "general" and "small talk" not in found and _asks_for_a_fact(reading):
        task = "factual"
    return task


def _is_compound(reading: Reading, task: str) -> bool:
    found = reading.labels
    if "one answer" in found:
        return False
    # `Yes or no?` at the end of a question is none of its own.
    asked = reading.questions - ("answer form" in found)
    if task not in _CARRIERS and (asked > 1 or not found.isdisjoint({"steps", "orders"})):
        return True
    return "next task" in found or (task != "code" and reading.size > _TINY_WORDS and "join" in found)


def _is_checkable(found: AbstractSet[str], task: str, *, compound: bool) -> bool:
    if "answer form" in found or found >= {"syntax", "output", "asks"}:
        return True
    if "one answer" in found and task not in _WRITTEN:
        return True
    return task == "math" and not compound and "proof" not in found


def _is_simple(reading: Reading, task: str) -> bool:
    """Tell whether one step answers the prompt."""
    found = reading.labels
    if reading.size > _TRIVIAL_WORDS or "proof" in found:
        return False
    if task == "math":
        return reading.size <= _TINY_WORDS and "sum" in found and "math" not in found
    if task == "general":
        return reading.size <= _TINY_WORDS and not found.isdisjoint({"greeting", "small talk"})
    return task == "translation" or (task == "factual" and "answer form" not in found)


def detect(text: str) -> Signals:
    """Read the signals of the last user message."""
    reading = labels.read(text)
    found = reading.labels
    task = _task(reading)
    compound = _is_compound(reading, task)
    settled = task in _SETTLED
    contested = not settled and "contested" in found and "advice" not in found
    judged = not settled and not found.isdisjoint({"judgement", "advice"})
    if contested or judged:
        task = "reasoning"
    return Signals(
        task=task,
        trivial=_is_simple(reading, task) and not compound,
        compound=compound,
        checkable=_is_checkable(found, task, compound=compound),
        contested=contested,
        open=not contested and (judged or task == "creative"),
        code="syntax" in found,
        long=reading.size > _LONG_WORDS,
        language=reading.language,
        formal="formal" in found,
    )
