"""From signals, policy and catalog to a plan. Pure: the same request gets the same plan."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner import shapes, signals
from planner.casting import CASTINGS, Cast, Wishes
from planner.policies import POLICIES
from planner.pool import Pool
from planner.value import Prompt, appraise, estimate_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.catalog import Catalog, Model


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
    #: Ids that a compliance policy excludes: for this plan there are no such models.
    barred: frozenset[str] = frozenset()


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
    #: One entry a call, best first; of a cascade its rungs, the cheapest first.
    proposers: tuple[Model, ...]
    #: Who may write the final answer from others', best first; of decompose_and_route also who splits the prompt.
    synthesizers: tuple[Model, ...]
    #: Stand-ins for a proposer that fails, best first.
    fallbacks: tuple[Model, ...]
    #: Who may compare others' answers, best first.
    judges: tuple[Model, ...]
    #: Task and who serves it, best value first; only for decompose_and_route.
    routes: tuple[tuple[str, tuple[Model, ...]], ...]
    #: The task's kind, as recorded evidence is kept.
    kind: str = ""


def make_plan(request: Request, catalog: Catalog) -> Plan:
    """Plan a request.

    Raises:
        PlanError: `invalid_request` for a prompt that no model can hold, `no_provider_available` when there is no
            model at all, `no_compliant_model` when all are barred.
    """
    available = catalog.available(request.providers, request.local_models)
    if not available:
        raise PlanError("no_provider_available", "no provider is configured on the server")
    # Before anything is scored, and the only place from which models come: all that a plan names are drawn from these.
    models = [model for model in available if model.id not in request.barred]
    if not models:
        raise PlanError("no_compliant_model", "the policy leaves no model")
    policy = POLICIES[request.policy]
    seen = signals.detect(next(text for role, text in reversed(request.messages) if role == "user"))
    strategy, why = shapes.choose(request.policy, seen)
    if request.strategy is not None:
        strategy, why = request.strategy, "the request named it"

    tokens = estimate_tokens(text for _, text in request.messages)
    able = [model for model in models if tokens <= model.context_window]
    if not able:
        raise PlanError("invalid_request", "messages: longer than any available model can read")
    able = catalog.informed(able, seen.task, seen.kind)
    prompt = Prompt(seen.task, seen.trivial, tokens, request.max_tokens)
    pool = Pool(able, request.unhealthy, prompt, appraise(able, prompt, policy.cost_weight), request.max_cost)
    way = catalog.evidence.way(seen.kind, strategy, request.policy, frozenset(model.id for model in pool.healthy))
    wishes = Wishes(request.k or policy.k, policy.k, request.judge_model, way, request.k is not None)
    cast = CASTINGS[strategy](pool, wishes)
    return Plan(
        policy=request.policy,
        strategy=strategy,
        forced=request.strategy is not None,
        rationale=" ".join(
            (
                f"Signals: {', '.join(seen.names())}.",
                f"Under {request.policy}, {strategy}: {why}.",
                *_who(strategy, cast),
                *_recorded(seen.kind, cast, catalog),
                *_limits(cast, pool),
            )
        ),
        task=seen.task,
        signals=seen.names(),
        # Never below the policy's; more than that where it was recorded to pay.
        confidence_bar=max(policy.bar, cast.way.bar) if cast.way else policy.bar,
        k=len(cast.proposers),
        proposers=cast.proposers,
        synthesizers=cast.synthesizers,
        fallbacks=pool.fallbacks(cast.proposers),
        judges=cast.judges,
        routes=cast.routes,
        kind=seen.kind,
    )


def _who(strategy: str, cast: Cast) -> Iterator[str]:
    """Say who is asked."""
    if strategy == "cascade":
        yield f"Asked in turn: {', then '.join(model.id for model in cast.proposers)}."
        return
    counts = Counter(model.id for model in cast.proposers)
    asked = ", ".join(f"{name} ({count} samples)" if count > 1 else name for name, count in counts.items())
    if strategy == "decompose_and_route":
        yield f"Split by: {cast.synthesizers[0].id}. If that fails: {asked}."
        return
    yield f"Asked: {asked}."
    if strategy != "self_consistency" and max(counts.values()) > 1:
        yield "Sampled again, since no further model comes near on this task."
    if cast.judges:
        yield f"Judges: {', '.join(model.id for model in cast.judges)}."


def _recorded(kind: str, cast: Cast, catalog: Catalog) -> Iterator[str]:
    """Say which evidence spoke."""
    if cast.way:
        yield f"So it was recorded to pay on {kind}, up to a confidence of {cast.way.bar:g} ({catalog.evidence.id})."


def _limits(cast: Cast, pool: Pool) -> Iterator[str]:
    """Say what the budget did."""
    if len(cast.proposers) < cast.wanted:
        yield f"Narrowed from {cast.wanted} to fit max_cost_usd."
    if not pool.affords(pool.prompt.worst_cost(cast.proposers[0])):
        yield "No call is sure to fit max_cost_usd; this is the cheapest."
