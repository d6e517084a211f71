"""What a program puts out, as it is compared: lists and their like by value, and everything else sign by sign.

In a name `ABC` and `abc` are one answer; in an output they are two, and so are one blank and two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from executor.answers import literals

if TYPE_CHECKING:
    from collections.abc import Hashable

_QUOTES: Final = "'\""
_BRACKETS: Final = ("{", "[", "(")
#: What a text in quotation marks writes for a sign.
_ESCAPES: Final = (("\\'", "'"), ('\\"', '"'), ("\\n", "\n"), ("\\t", "\t"))


def key(written: str) -> Hashable:
    """Return what is equal for equal outputs; one pair of quotation marks around a text is not part of it."""
    for escape, sign in _ESCAPES:
        written = written.replace(escape, sign)
    if written.strip().startswith(_BRACKETS):
        try:
            return literals.freeze(literals.parse(written))
        except ValueError:
            return written
    if written in {"true", "false"}:
        return written.capitalize()
    if len(written) > 1 and written[0] == written[-1] and written[0] in _QUOTES:
        return written[1:-1]
    return written
