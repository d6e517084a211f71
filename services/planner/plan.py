"""From signals, policy and catalog to a plan. Pure: the same request gets the same plan."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from planner import signals
from planner.catalog import LOCAL, Catalog, Model

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

STRATEGIES: Final = (
    "single",
    "cascade",
    "ensemble_moa",
    "rank_fuse",
    "decompose_and_route",
    "self_consistency",
    "debate",
)
#: What this version can run.
AVAILABLE: Final = ("single", "ensemble_moa")
#: Policy → what an answer must reach, default width, and how much a dollar weighs against quality.
POLICIES: Final = {"efficiency": (0.62, 2, 0.10), "balanced": (0.72, 2, 0.04), "depth": (0.85, 3, 0.008)}

MAX_K: Final = 8
#: USD at which cost begins to weigh in the value score.
_COST_KNEE_USD: Final = 0.001
#: What a call is taken to cost when its price is not known.
_UNPRICED_USD: Final = 0.01
#: Tokens that an answer is expected to have, at most.
_EXPECTED_ANSWER: Final = 400
#: A second model whose quality is further behind than this adds more errors than views: the best one is sampled
#: several times instead (Self-MoA, arXiv 2502.00674).
_MIX_GAP: Final = 0.22
#: What another view from the same family, or the same provider, is worth less (correlated errors, arXiv 2506.07962).
_SAME_FAMILY: Final = 0.06
_SAME_PROVIDER: Final = 0.03
#: On a trivial prompt models differ by less.
_TRIVIAL_QUALITY_WEIGHT: Final = 0.25
_PICO: Final = 10**12
_MAX_FALLBACKS: Final = 3
_MAX_SYNTHESIZERS: Final = 3


class PlanError(Exception):
    """No plan can be made.

    Attributes:
        reason: error code of the REST contract.
        message: for the client.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


@dataclass(frozen=True)
class Request:
    """What is to be planned; checked by the caller."""

    #: Role and text, oldest first.
    messages: tuple[tuple[str, str], ...]
    policy: str
    #: Forced strategy, or None.
    strategy: str | None
    #: Forced width, or None.
    k: int | None
    #: Tokens of one answer, at most.
    max_tokens: int
    #: 1e-12 USD, or None.
    max_cost: int | None
    judge_model: str
    providers: frozenset[str]
    local_models: tuple[str, ...]
    #: Failing now: planned only when nothing else is left.
    unhealthy: frozenset[str]


@dataclass(frozen=True)
class Plan:
    """Which models are asked, in which shape, and why."""

    policy: str
    strategy: str
    forced: bool
    rationale: str
    task: str
    signals: tuple[str, ...]
    confidence_bar: float
    k: int
    #: One entry a call, best first.
    proposers: tuple[Model, ...]
    #: Who may write the final answer from others', best first.
    synthesizers: tuple[Model, ...]
    #: Stand-ins for a proposer that fails, best first.
    fallbacks: tuple[Model, ...]


def estimate_tokens(texts: Iterable[str]) -> int:
    """Return an upper guess at the tokens of a prompt: 3 bytes a token, and 8 a message for its frame."""
    return sum(len(text.encode(errors="replace")) // 3 + 8 for text in texts)


@dataclass(frozen=True)
class _Scorer:
    """How much a call to a model is worth for this prompt under this policy."""

    task: str
    trivial: bool
    cost_weight: float
    prompt_tokens: int
    #: Of one answer, at most.
    max_tokens: int

    def worst_cost(self, model: Model, answers: int = 0) -> int:
        """Return what a call costs at most, in 1e-12 USD; it may read others' answers, too."""
        if model.price is None:
            return 0
        read = self.prompt_tokens + answers * self.max_tokens
        return read * model.price.input + self.max_tokens * model.price.output

    def __call__(self, model: Model) -> float:
        if model.price is None:
            usd = _UNPRICED_USD
        else:
            answer = min(self.max_tokens, _EXPECTED_ANSWER)
            usd = (self.prompt_tokens * model.price.input + answer * model.price.output) / _PICO
        quality = model.quality[self.task] * (_TRIVIAL_QUALITY_WEIGHT if self.trivial else 1.0)
        return quality - self.cost_weight * math.log1p(usd / _COST_KNEE_USD)


def _proposers(healthy: Sequence[Model], k: int, score: _Scorer) -> tuple[Model, ...]:
    """Choose k calls: diverse models near the best one, and the best again where too few are near."""
    best = max(healthy, key=lambda model: (model.quality[score.task], model.id))
    near = [model for model in healthy if model.quality[score.task] >= best.quality[score.task] - _MIX_GAP]
    chosen: list[Model] = []
    while near and len(chosen) < k:
        families = [model.family for model in chosen]
        providers = [model.provider for model in chosen if model.provider != LOCAL]
        pick = max(
            near,
            key=lambda model: (
                score(model)
                - _SAME_FAMILY * families.count(model.family)
                - _SAME_PROVIDER * providers.count(model.provider),
                model.id,
            ),
        )
        chosen.append(pick)
        near.remove(pick)
    return tuple(chosen + [best] * (k - len(chosen)))


def _synthesizers(
    ranked: Sequence[Model], proposers: Sequence[Model], request: Request, score: _Scorer
) -> tuple[Model, ...]:
    """Order the writers that the budget leaves: the client's preference, then by quality, failing ones last."""
    if len(proposers) == 1:
        return ()
    able = ranked
    if request.max_cost is not None:
        rest = request.max_cost - sum(map(score.worst_cost, proposers))
        able = [model for model in ranked if score.worst_cost(model, len(proposers)) <= rest]
    by_quality = sorted(
        able,
        key=lambda model: (
            model.id in request.unhealthy,
            model.id != request.judge_model,
            -model.quality[score.task],
        ),
    )
    return tuple(by_quality[:_MAX_SYNTHESIZERS])


def _choose_strategy(policy: str, seen: signals.Signals) -> tuple[str, str]:
    """Return the shape and the reason for it."""
    if seen.trivial:
        return "single", "more models would only repeat a short, simple answer"
    if policy == "depth":
        return "ensemble_moa", "depth crosses several models and lets one write the answer from all"
    if policy == "efficiency":
        return "single", "efficiency asks the model of best value once"
    if seen.compound or seen.contested or seen.long or seen.task == "reasoning":
        return "ensemble_moa", "an open or many-sided prompt gains from several views"
    return "single", "a plain prompt of this kind gains little from more calls"


def _narrow(
    proposers: tuple[Model, ...], ranked: Sequence[Model], budget: int | None, score: _Scorer
) -> tuple[Model, ...]:
    """Drop proposers, the dearest first, until the worst case of all calls fits the budget; one always stays."""
    if budget is None:
        return proposers

    def worst(calls: Sequence[Model]) -> int:
        # The writer reads the prompt and every answer; a lone proposer needs none.
        writing = max(score.worst_cost(model, len(calls)) for model in calls) if len(calls) > 1 else 0
        return sum(map(score.worst_cost, calls)) + writing

    kept = list(proposers)
    while len(kept) > 1 and worst(kept) > budget:
        kept.remove(max(kept, key=score.worst_cost))
    if worst(kept) > budget:
        priced = [model for model in ranked if model.price is not None] or list(ranked)
        fitting = [model for model in priced if score.worst_cost(model) <= budget]
        kept = [next(iter(fitting), min(priced, key=score.worst_cost))]
    return tuple(kept)


def make_plan(request: Request, catalog: Catalog) -> Plan:
    """Plan a request.

    Raises:
        PlanError: `invalid_request` for a strategy that this version can't run or a prompt that no model can hold,
            `no_provider_available` when there is no model at all.
    """
    if request.strategy is not None and request.strategy not in AVAILABLE:
        raise PlanError(
            "invalid_request", f"strategy: {request.strategy} is not available yet; use {' or '.join(AVAILABLE)}"
        )
    models = catalog.available(request.providers, request.local_models)
    if not models:
        raise PlanError("no_provider_available", "no provider is configured on the server")
    bar, default_k, cost_weight = POLICIES[request.policy]
    seen = signals.detect(next(text for role, text in reversed(request.messages) if role == "user"))
    prompt_tokens = estimate_tokens(text for _, text in request.messages)
    score = _Scorer(
        task=seen.task,
        trivial=seen.trivial,
        cost_weight=cost_weight,
        prompt_tokens=prompt_tokens,
        max_tokens=request.max_tokens,
    )
    able = [model for model in models if prompt_tokens <= model.context_window]
    if not able:
        raise PlanError("invalid_request", "messages: longer than any available model can read")
    ranked = sorted(able, key=lambda model: (model.id in request.unhealthy, -score(model), model.id))
    healthy = [model for model in ranked if model.id not in request.unhealthy] or ranked

    strategy, why = _choose_strategy(request.policy, seen)
    forced = request.strategy is not None
    if request.strategy is not None:
        strategy, why = request.strategy, "the request named it"
    wanted = 1 if strategy == "single" else request.k or default_k
    proposers = (ranked[0],) if strategy == "single" else _proposers(healthy, wanted, score)
    proposers = _narrow(proposers, healthy, request.max_cost, score)
    return Plan(
        policy=request.policy,
        strategy=strategy,
        forced=forced,
        rationale=_rationale(request, seen, strategy, why, proposers, wanted),
        task=seen.task,
        signals=seen.names(),
        confidence_bar=bar,
        k=len(proposers),
        proposers=proposers,
        synthesizers=_synthesizers(ranked, proposers, request, score),
        fallbacks=tuple(model for model in ranked if model not in proposers)[:_MAX_FALLBACKS],
    )


def _rationale(
    request: Request, seen: signals.Signals, strategy: str, why: str, proposers: Sequence[Model], wanted: int
) -> str:
    counts = Counter(model.id for model in proposers)
    asked = ", ".join(f"{name} ({count} samples)" if count > 1 else name for name, count in counts.items())
    text = f"Signals: {', '.join(seen.names())}. Under {request.policy}, {strategy}: {why}. Asked: {asked}."
    if max(counts.values()) > 1:
        text += " Sampled again, since no further model comes near on this task."
    if len(proposers) < wanted:
        text += f" Narrowed from {wanted} to fit max_cost_usd."
    return text
