"""Check digits of candidates: python-stdnum's validators, told to answer and never to raise."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from stdnum.exceptions import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from planner.classifier.numbers import Candidate


def by(module: str) -> Callable[[Candidate], bool]:
    """Return the check of one kind of number, by the name of its module below `stdnum`."""
    validate = import_module(f"stdnum.{module}").validate

    def valid(candidate: Candidate) -> bool:
        try:
            validate(candidate.raw)
        except (ValidationError, ValueError):
            return False
        return True

    return valid


def always(_: Candidate) -> bool:
    """Accept: the shape and the words are all the evidence there is."""
    return True
