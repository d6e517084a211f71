"""What a prompt says of the form of its answer, and what is left when that is taken out.

`Reason first, then give your final answer as JSON {"reasoning": …, "answer": …}` is no task, no second task and no
code, and says that one answer is wanted which can be compared.
"""

from __future__ import annotations

import re
from typing import Final

#: Characters around an answer's key within which its object begins and ends, and places that are looked at.
_OBJECT: Final = 400
_PLACES: Final = 4
#: Characters of a sentence, to each side of what gives it away.
_SENTENCE: Final = 240

_KEY: Final = re.compile(r"[\"'](?:final[_ ]?)?answer[\"'] ?:", re.IGNORECASE)
_FENCE_BEFORE: Final = re.compile(r"```[a-z]{0,8}\s{0,4}$")
_FENCE_AFTER: Final = re.compile(r"\s{0,4}```")
_TALK: Final = re.compile(
    r"your (?:\w{1,12} ){0,2}(?:answer|reasoning|solution|response)|final answer|answer field|json (?:format|object)",
    re.IGNORECASE,
)
_ENDS: Final = re.compile(r"[.?!:](?=\s)|\n")


def without(text: str) -> tuple[str, bool]:
    """Return a text without what it says of its answer's form, and whether it asks for one answer in a fixed form.

    Takes time in proportion to the text.
    """
    asked = False
    for _ in range(_PLACES):
        key = _KEY.search(text)
        if key is None:
            break
        asked = True
        begin, end = _object(text, key.start(), key.end())
        text = f"{text[:begin]} {text[end:]}"
    return (_without_talk(text), True) if asked else (text, False)


def _object(text: str, begin: int, end: int) -> tuple[int, int]:
    """Return where the object around a key begins and ends, with its fence; the key's own place when there is none."""
    opened = text.rfind("{", max(0, begin - _OBJECT), begin)
    closed = text.find("}", end, end + _OBJECT)
    if opened < 0 or closed < 0 or "}" in text[opened:begin]:
        return begin, end
    fence = _FENCE_BEFORE.search(text, max(0, opened - 16), opened)
    after = _FENCE_AFTER.match(text, closed + 1)
    return (fence.start(), after.end()) if fence and after else (opened, closed + 1)


def _without_talk(text: str) -> str:
    """Leave out the sentences that tell how to answer."""
    kept, at = [], 0
    for match in _TALK.finditer(text):
        if match.start() < at:
            continue
        begin = at
        for stop in _ENDS.finditer(text, max(at, match.start() - _SENTENCE), match.start()):
            begin = stop.end()
        end = _ENDS.search(text, match.end(), match.end() + _SENTENCE)
        kept.append(text[at:begin])
        at = end.end() if end else min(len(text), match.end() + _SENTENCE)
    return " ".join([*kept, text[at:]])
