"""What a call to a model is worth for one prompt under one policy, and what it may cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from planner.catalog import Model

#: Tokens that an answer is expected to have, at most.
EXPECTED_ANSWER: Final = 400
#: USD at which cost begins to weigh.
_COST_KNEE_USD: Final = 0.001
#: What a call is taken to cost when its price is not known.
_UNPRICED_USD: Final = 0.01
#: On a trivial prompt models differ by less.
_TRIVIAL_QUALITY_WEIGHT: Final = 0.25
_PICO: Final = 10**12


def estimate_tokens(texts: Iterable[str]) -> int:
    """Return an upper guess at the tokens of a prompt: 3 bytes a token, and 8 a message for its frame."""
    return sum(len(text.encode(errors="replace")) // 3 + 8 for text in texts)


@dataclass(frozen=True)
class Prompt:
    """What the value of a call depends on, but for the model."""

    task: str
    trivial: bool
    #: Tokens.
    tokens: int
    #: Of one answer, in tokens, at most.
    max_tokens: int

    def expected_cost(self, model: Model) -> int:
        """Return what a call is likely to cost, in 1e-12 USD."""
        if model.price is None:
            return round(_UNPRICED_USD * _PICO)
        return self.tokens * model.price.input + min(self.max_tokens, EXPECTED_ANSWER) * model.price.output

    def worst_cost(self, model: Model, answers: int = 0) -> int:
        """Return what a call costs at most, in 1e-12 USD; it may read others' answers, too. Unpriced: 0."""
        if model.price is None:
            return 0
        return (self.tokens + answers * self.max_tokens) * model.price.input + self.max_tokens * model.price.output


@dataclass(frozen=True)
class Value:
    """Quality less what cost takes away from it."""

    task: str
    _quality_weight: float
    #: Provider and id → what the cost of a call takes away.
    _burdens: Mapping[tuple[str, str], float]

    def __call__(self, model: Model) -> float:
        """Return the value of a call; only comparisons mean something."""
        return self._quality_weight * model.quality[self.task] - self._burdens[model.provider, model.id]

    def on(self, task: str) -> Value:
        """Return the value of the same calls for a part of the prompt, which is of another task and not trivial."""
        return Value(task, 1.0, self._burdens)


def appraise(models: Iterable[Model], prompt: Prompt, cost_weight: float) -> Value:
    """Weigh the cost of a call to each model."""
    burdens = {
        (model.provider, model.id): cost_weight * math.log1p(prompt.expected_cost(model) / _PICO / _COST_KNEE_USD)
        for model in models
    }
    return Value(prompt.task, _TRIVIAL_QUALITY_WEIGHT if prompt.trivial else 1.0, burdens)
