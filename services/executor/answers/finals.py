"""Where a text states its final answer: markers, boxes, JSON, fences."""

# ruff: noqa: RUF001 - signs that look alike are what this is about

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from executor.answers import literals

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Places of one marker word, counted from the end, that are looked at.
_MAX_PLACES: Final = 6
_MAX_BOX: Final = 2_000
_MAX_NEXT: Final = 4_000
#: Characters before a marker that tell whether it begins a sentence.
_WINDOW: Final = 40
#: Characters of a text's beginning and end in which rarer markers are looked for.
_REGION: Final = 800
#: Characters of a text's end in which a marker counts wherever it stands.
_LATE: Final = 400

# Looked for by plain search, which is many times faster than a pattern with as many alternatives; only around a place
# where one stands a pattern decides. The patterns are bounded: no place costs more than its line.
_WORDS: Final = (
    "answer",
    "solution",
    "result",
    "conclusion",
    "antwort",
    "ergebnis",
    "lösung",
    "réponse",
    "résultat",
    "respuesta",
    "resultado",
    "solución",
    "risposta",
    "risultato",
    "resposta",
    "ответ",
    "答案",
    "答え",
    "回答",
    "答",
)
_AFTER: Final = re.compile(
    r"s?(?: (?:to|of|for|à|auf) [^\n:.=]{1,60}?)?[ \t]{0,3}[*_`)]{0,3}[ \t]{0,3}"
    r"(?:(?P<sign>[:：=]+)|(?P<verb>\b(?:is|are|ist|lautet|est|es|is that|é|è|will be|would be)\b|是|は|为|為)[:：]?)"
    r"|(?P<name>[ \t](?:option |choice )?\(?[A-J]\)?(?!\w))"
    r"|[ \t]{0,3}[*_]{0,3}[ \t]{0,3}(?P<heading>\n)"
)
#: What stands before the word where it names a heading, or this answer among several.
_BEFORE: Final = re.compile(
    r"(?:^|\n|[.!?:。]\s{0,3}|[,;] |[、，])[#>*_\s\-\d.]{0,12}(?:(?:so|thus|hence|therefore|and),? )?"
    r"(?:the |my |la |le |el |il |a |o |die |das |der )?"
    r"(?:final |correct |right |best |overall |endgültige |richtige |最终|正确)?$",
    re.IGNORECASE,
)
#: What such words are followed by when they tell of the answer and not what it is.
_TALK: Final = re.compile(
    r"(?:correct|right|wrong|incorrect|as follows|below|given|"
    r"provided|stated|shown|found|clear|based|not clear|in the|the number of|that)\b",
    re.IGNORECASE,
)
#: The first step of a way to an answer, where a heading said that a solution follows.
_STEP: Final = re.compile(r"(?:\d{1,2}[.)]|[-*•]|step\b|first\b|let)\s*\S", re.IGNORECASE)
_KEYS: Final = ("finalanswer", "answer", "result")
_BROKEN: Final = re.compile(
    r'"(?:final_?)?answer"\s*:\s*("(?:[^"\\]|\\.)*"|[^\s",}][^\n,}]*)', re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True)
class Place:
    """A place where an answer is stated."""

    position: int
    #: A text to be read further, or a value out of JSON.
    value: object
    #: Whether the rest of the text belongs to it, should it be prose: it runs from its marker to the end.
    open: bool = False
    #: It stands in an object that is no JSON.
    broken: bool = False


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    begin: int
    end: int
    language: str
    body: str


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a text; one that nobody closed runs to the end."""
    found, at = [], 0
    while (begin := text.find("```", at)) >= 0:
        end = text.find("```", begin + 3)
        inner = text[begin + 3 : end if end >= 0 else len(text)]
        head, newline, body = inner.partition("\n")
        if not newline:
            head, body = "", inner
        at = end + 3 if end >= 0 else len(text)
        found.append(Block(begin, at, head.strip(), body))
    return found


def places(text: str, fenced: list[Block]) -> list[Place]:
    """Return where a text states an answer, the last place first."""
    found: list[Place] = []
    masked = [(block.begin, block.end) for block in fenced]
    if "{" in text:
        for value, begin, end in literals.objects(text):
            if (answer := stated(value)) is not None:
                found.append(Place(end, answer[0]))
                masked.append((begin, end))
        found += _broken(text, masked)
    found += _tagged(text)
    found += [place for place in _marked(text) if not _inside(place.position, masked)]
    return sorted(found, key=lambda place: -place.position)


def stated(value: dict[str, object]) -> tuple[object] | None:
    """Return the answer that an object holds under a key of that name, or None."""
    keys = {re.sub("[^a-z]", "", key.lower()): key for key in value}
    for name in _KEYS:
        if name in keys:
            return (value[keys[name]],)
    return None


def _inside(position: int, spans: list[tuple[int, int]]) -> bool:
    return any(begin < position < end for begin, end in spans)


def _broken(text: str, spans: list[tuple[int, int]]) -> Iterator[Place]:
    """Yield the last answer of an object that is no JSON, for a formula's backslashes as a rule."""
    last = None
    for match in _BROKEN.finditer(text):
        if not any(begin <= match.start() < end and text[begin] == "{" for begin, end in spans):
            last = match
    if last:
        value = last[1]
        if value.startswith('"'):
            value = re.sub(r'\\(["\\/])', r"\1", value[1:-1])
        yield Place(max(last.end(), text.rfind("}")), value, broken=True)


def _tagged(text: str) -> Iterator[Place]:
    """Yield the last boxed answer, and the last one between tags."""
    begin = max(text.rfind("\\boxed{"), text.rfind("\\fbox{"))
    if begin >= 0:
        inner = text[text.index("{", begin) + 1 :][:_MAX_BOX]
        depth = 1
        for match in re.finditer(r"[{}]", inner):
            depth += 1 if match[0] == "{" else -1
            if not depth:
                yield Place(begin + match.end(), inner[: match.start()])
                break
    end = text.rfind("</answer>")
    if end >= 0 and (begin := text.rfind("<answer>", 0, end)) >= 0:
        yield Place(end, text[begin + len("<answer>") : end])


def _marked(text: str) -> Iterator[Place]:
    """Yield what stands after the markers."""
    lowered = text.lower()
    if len(lowered) != len(text):
        lowered = text  # a letter whose small form is two: places would shift
    for word, end in _searched(len(lowered)):
        at = end
        for _ in range(_MAX_PLACES):
            at = lowered.rfind(word, max(0, end - _REGION) if word != _WORDS[0] else 0, at)
            if at < 0:
                break
            if place := _after(text, at, at + len(word)):
                yield place
    at = text.rfind("####")
    if at >= 0 and "\n" not in text[at:].strip():
        yield Place(at, text[at + 4 :])


def _searched(size: int) -> Iterator[tuple[str, int]]:
    """Yield which word is looked for before which place: the first anywhere, the others where answers begin and end."""
    for word in _WORDS:
        yield word, size
        if word != _WORDS[0] and size > _REGION:
            yield word, min(_REGION, size - _REGION)


def _after(text: str, begin: int, end: int) -> Place | None:  # noqa: PLR0911 - a decision list, read top to bottom
    match = _AFTER.match(text, end)
    if not match:
        return None
    window = text[max(0, begin - _WINDOW) : begin]
    alone = _BEFORE.search(window if begin <= _WINDOW else f"x{window}") is not None
    if not alone and len(text) - begin > _LATE and not _introduced(text, begin):
        return None  # a result or solution in the midst of an argument
    if match["heading"] and not alone:
        return None
    if match["name"]:
        return Place(begin, match["name"]) if text[match.end() : match.end() + 1] in {"", ".", "\n"} else None
    rest = text[match.end() : match.end() + _MAX_NEXT].lstrip(" \t*_:\n\r")
    if match["verb"] and (not alone and not _introduced(text, begin)):
        return None
    if not rest or _TALK.match(rest) or ("\n" in rest.rstrip() and _STEP.match(rest)):
        return None
    return Place(begin, rest, open=True)


def _introduced(text: str, begin: int) -> bool:
    """Tell whether `answer is` in the middle of a sentence tells of this answer: `so the final answer is`."""
    before = text[max(0, begin - 24) : begin].lower().split()
    return bool(before) and before[-1] in {
        "the",
        "final",
        "correct",
        "right",
        "my",
        "die",
        "la",
        "el",
        "a",
        "best",
        "our",
    }
