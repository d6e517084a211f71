"""Who may be cast: the models that are left for a prompt, and how they are picked from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from planner.catalog import LOCAL
from planner.value import EXPECTED_ANSWER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from planner.catalog import Model
    from planner.value import Prompt, Value

#: A second model whose quality is further behind than this adds more errors than views: the best one is sampled
#: several times instead (Self-MoA, arXiv 2502.00674).
_MIX_GAP: Final = 0.22
#: A model with a smaller share of the best one's quality would be asked in vain.
_CAPABLE: Final = 0.5
#: What another view from the same family, or the same provider, is worth less (correlated errors, arXiv 2506.07962).
_SAME_FAMILY: Final = 0.06
_SAME_PROVIDER: Final = 0.03
_MAX_FALLBACKS: Final = 3


def likeness(model: Model, other: Model) -> float:
    """Return what a model's view is worth less beside another's."""
    same_provider = model.provider == other.provider != LOCAL
    return _SAME_FAMILY * (model.family == other.family) + _SAME_PROVIDER * same_provider


@dataclass(frozen=True)
class Pool:
    """All models that can read the prompt; never empty."""

    models: Sequence[Model]
    #: Ids of those that are failing now.
    unhealthy: frozenset[str]
    prompt: Prompt
    value: Value
    #: 1e-12 USD, or None.
    budget: int | None

    @cached_property
    def ranked(self) -> list[Model]:
        """By value; failing ones last."""
        return sorted(self.models, key=lambda model: (model.id in self.unhealthy, -self.value(model), model.id))

    @cached_property
    def healthy(self) -> list[Model]:
        """By value; when all fail, all."""
        return [model for model in self.ranked if model.id not in self.unhealthy] or self.ranked

    @cached_property
    def near(self) -> list[Model]:
        """Healthy ones whose quality is near the best one's."""
        floor = max(map(self.quality, self.healthy)) - _MIX_GAP
        return [model for model in self.healthy if self.quality(model) >= floor]

    @cached_property
    def capable(self) -> list[Model]:
        """Healthy ones whose quality is not hopeless beside the best one's."""
        floor = _CAPABLE * max(map(self.quality, self.healthy))
        return [model for model in self.healthy if self.quality(model) >= floor]

    def quality(self, model: Model) -> float:
        """Return the chance of a right answer, 0..1."""
        return model.quality[self.prompt.task]

    def affords(self, cost: int) -> bool:
        """Tell whether the budget pays for 1e-12 USD."""
        return self.budget is None or cost <= self.budget

    def diverse(self, k: int) -> list[Model]:
        """Return k calls: unlike models near the best one, and the best again where too few are near."""
        worth = [self.value(model) for model in self.near]
        left, chosen = list(range(len(worth))), list[int]()
        while left and len(chosen) < k:
            pick = max(left, key=lambda place: (worth[place], self.near[place].id))
            chosen.append(pick)
            left.remove(pick)
            for place in left:
                worth[place] -= likeness(self.near[place], self.near[pick])
        best = max(self.healthy, key=lambda model: (self.quality(model), model.id))
        return [self.near[place] for place in chosen] + [best] * (k - len(chosen))

    def lone(self) -> Model:
        """Return who answers alone: the best value that the budget pays, or else the cheapest."""
        if self.affords(self.prompt.worst_cost(self.healthy[0])):
            return self.healthy[0]
        priced = [model for model in self.healthy if model.price is not None] or self.healthy
        fitting = (model for model in priced if self.affords(self.prompt.worst_cost(model)))
        return next(fitting, None) or min(priced, key=self.prompt.worst_cost)

    def narrow(self, calls: Sequence[Model], worst: Callable[[Sequence[Model]], int]) -> tuple[Model, ...]:
        """Drop calls, the dearest first, until the worst case of the whole shape fits the budget; one always stays.

        Args:
            calls: best first.
            worst: what the shape costs at most with two or more calls, in 1e-12 USD.
        """
        kept = list(calls)
        while len(kept) > 1 and not self.affords(worst(kept)):
            kept.remove(max(kept, key=self.prompt.worst_cost))
        if len(kept) == 1 and not self.affords(self.prompt.worst_cost(kept[0])):
            return (self.lone(),)
        return tuple(kept)

    def best_first(
        self, models: Iterable[Model], answers: int, first: str = "", handicap: Callable[[Model], float] = lambda _: 0.0
    ) -> list[Model]:
        """Order those who shall read others' answers: by quality, failing ones last, as those who can't hold them.

        Args:
            models: from this pool.
            answers: how many they read.
            first: id of the one whom the client prefers.
            handicap: what is taken off a model's quality.
        """
        room = self.prompt.tokens + answers * min(self.prompt.max_tokens, EXPECTED_ANSWER)
        return sorted(
            models,
            key=lambda model: (
                model.id in self.unhealthy,
                model.context_window < room,
                model.id != first,
                handicap(model) - self.quality(model),
                model.id,
            ),
        )

    def fallbacks(self, proposers: Iterable[Model]) -> tuple[Model, ...]:
        """Return the stand-ins for these proposers, best value first."""
        cast = {model.id for model in proposers}
        return tuple([model for model in self.ranked if model.id not in cast][:_MAX_FALLBACKS])
