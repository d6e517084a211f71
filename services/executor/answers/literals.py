"""JSON, and literals as Python prints them, as values that can be compared and hashed."""

from __future__ import annotations

import ast
import json
import warnings
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Hashable

#: Python literals are short results; compiling longer ones takes time and memory.
_MAX_PYTHON: Final = 2_000
_MAX_DEPTH: Final = 64
#: Beginnings at which an object is looked for in prose: each costs at most one pass over the rest.
_MAX_TRIES: Final = 12
#: JSON as models write it: with bare line ends in strings. NaN equals itself, as no float does.
DECODER: Final = json.JSONDecoder(strict=False, parse_constant=str)


def parse(text: str) -> object:
    """Parse a text that is a JSON value, or a Python literal in brackets.

    Raises:
        ValueError: it is neither.
    """
    text = text.strip()
    try:
        return DECODER.decode(text)
    except (ValueError, RecursionError):
        pass
    if not text.startswith(("{", "[", "(")) or len(text) > _MAX_PYTHON:
        raise ValueError("neither JSON nor a literal in brackets")
    try:
        with warnings.catch_warnings():  # the compiler would warn of odd escapes, and show them
            warnings.simplefilter("ignore")
            return ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError("neither JSON nor a literal in brackets") from error


def objects(text: str) -> list[tuple[dict[str, object], int, int]]:
    """Return the JSON objects that stand in a text, and where each begins and ends."""
    found, at = [], 0
    for _ in range(_MAX_TRIES):
        at = text.find("{", at)
        if at < 0:
            break
        try:
            value, end = DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            at += 1
        else:
            found.append((value, at, end))
            at = end
    return found


def freeze(value: object, depth: int = 0) -> Hashable:
    """Return a hashable that equals another one exactly when the values are equal; 1 is 1.0 and no true.

    Raises:
        ValueError: the value is nested too deeply.
    """
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        return "object", frozenset((freeze(key, depth + 1), freeze(item, depth + 1)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return type(value).__name__, tuple(freeze(item, depth + 1) for item in value)
    if isinstance(value, set):
        return "set", frozenset(freeze(item, depth + 1) for item in value)
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, str | bytes | int | float | complex):
        return value
    return type(value).__name__
