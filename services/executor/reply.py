"""What comes of asking models: a usable answer, or nobody's."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from executor import answers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executor.answers import Answer
    from executor.chat import CallError
    from executor.plan import Model


@dataclass(frozen=True)
class Reply:
    """A usable answer of a model."""

    text: str
    #: `stop` or `length`.
    finish_reason: str
    model: Model
    #: Index of its stage.
    stage: int
    #: Mean natural logarithm of its tokens' probabilities; None when it was not told.
    logprob: float | None = None

    @cached_property
    def answer(self) -> Answer:
        """What it finally says; read once, however often it is compared."""
        return answers.read(self.text)


class AllFailedError(Exception):
    """Nobody who was asked gave an answer.

    Attributes:
        failures: what happened, in order.
    """

    def __init__(self, failures: Sequence[tuple[Model, CallError]]) -> None:
        super().__init__(self.summarise(failures))
        self.failures = tuple(failures)

    @staticmethod
    def summarise(failures: Sequence[tuple[Model, CallError]]) -> str:
        """Return how often which reason occurred, the most frequent first."""
        counts = Counter(error.reason for _, error in failures)
        return ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items(), key=lambda x: (-x[1], x[0])))


class BrokenOffError(Exception):
    """The final answer broke off after its first words were said: they can't be taken back, so nobody else can answer.

    Attributes:
        model: who broke off.
        failure: why.
    """

    def __init__(self, model: Model, failure: CallError) -> None:
        super().__init__(failure.reason)
        self.model = model
        self.failure = failure
