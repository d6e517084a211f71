"""The catalog: which models there are, what they cost and what they are good at.

What they are good at is what has been recorded of them where there are recordings, and else their tier's prior.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from planner.evidence import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from planner.evidence import Evidence

TASKS: Final = ("code", "math", "translation", "creative", "extraction", "factual", "reasoning", "general")
LOCAL: Final = "local"
#: Tokens that an operator's own model is taken to hold when the catalog does not know it.
_LOCAL_CONTEXT: Final = 4096


@dataclass(frozen=True)
class Price:
    """What a token costs."""

    #: 1e-12 USD a token.
    input: int
    output: int
    #: Where the numbers come from.
    source: str


@dataclass(frozen=True)
class Model:
    """One model of the catalog."""

    id: str
    display: str
    provider: str
    #: The provider's own name for it.
    upstream: str
    #: Models of one family err together.
    family: str
    tier: str
    #: Tokens, prompt and answer together.
    context_window: int
    #: None when not known.
    price: Price | None
    #: Chance of a right answer by task, 0..1.
    quality: Mapping[str, float]
    #: Its API tells the log-probabilities of the tokens of a chat completion.
    logprobs: bool = False


@dataclass(frozen=True)
class Catalog:
    """All models by id, in the file's order."""

    models: Mapping[str, Model]
    _local_prior: Mapping[str, float]
    evidence: Evidence = NOTHING
    #: Tier → task → prior, 0..1.
    tiers: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def informed(self, models: Iterable[Model], task: str, kind: str) -> list[Model]:
        """Return models whose quality is what was recorded of them, as far as anything was."""
        return [self._informed(model, task, kind) for model in models]

    def _informed(self, model: Model, task: str, kind: str) -> Model:
        usual, here = self.evidence.quality(model.id, ""), self.evidence.quality(model.id, kind)
        if usual is None:
            return model
        return replace(model, quality=dict.fromkeys(TASKS, usual) | {task: usual if here is None else here})

    def available(self, providers: frozenset[str], local_models: tuple[str, ...]) -> tuple[Model, ...]:
        """Return the hosted models of the providers and the operator's own models, known or not."""
        hosted = tuple(model for model in self.models.values() if model.provider in providers - {LOCAL})
        return hosted + tuple(self._local(model_id) for model_id in dict.fromkeys(local_models))

    def _local(self, model_id: str) -> Model:
        known = self.models.get(model_id)
        if known is not None and known.provider == LOCAL:
            return known
        return Model(
            id=model_id,
            display=model_id,
            provider=LOCAL,
            upstream=model_id,
            family=model_id,
            tier=LOCAL,
            context_window=_LOCAL_CONTEXT,
            price=_FREE,
            quality=self._local_prior,
        )


_FREE: Final = Price(0, 0, "runs on the operator's machine")


def _model(entry: Mapping[str, Any], tiers: Mapping[str, Mapping[str, float]], prices: Mapping[str, Any]) -> Model:
    price = prices.get(entry["id"])
    return Model(
        id=entry["id"],
        display=entry["display"],
        provider=entry["provider"],
        upstream=entry["upstream"],
        family=entry["family"],
        tier=entry["tier"],
        context_window=entry["context_window"],
        price=_FREE if entry["provider"] == LOCAL else Price(**price) if price else None,
        quality={**tiers[entry["tier"]], **entry.get("quality", {})},
        logprobs=entry.get("logprobs", False),
    )


def load(evidence: Evidence = NOTHING) -> Catalog:
    """Read the catalog that ships with this package."""
    folder = files("planner")
    tables = tomllib.loads(folder.joinpath("catalog.toml").read_text("utf-8"))
    prices = tomllib.loads(folder.joinpath("prices.toml").read_text("utf-8"))
    models = (_model(entry, tables["tiers"], prices) for entry in tables["models"])
    return Catalog({model.id: model for model in models}, tables["tiers"][LOCAL], evidence, tables["tiers"])
