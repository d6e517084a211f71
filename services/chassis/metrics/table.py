"""Every instrument of the suite: name, kind, unit, labels, buckets, meaning.

Names are OpenTelemetry's where it has one (semantic conventions for RPC, and for GenAI v0.1.0), else below `prysm.`.
A label's values are a bounded set: what the contracts, the catalog and the operator's settings name. Never an id, a
client, or a word that a client sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from chassis import conventions as names

Kind: TypeAlias = Literal["counter", "histogram", "gauge"]


@dataclass(frozen=True, eq=False)  # each is itself: compared, and hashed, by identity
class Instrument:
    """One instrument."""

    name: str
    kind: Kind
    #: UCUM; braces hold what is counted.
    unit: str
    labels: tuple[str, ...]
    meaning: str
    #: Upper bounds of a histogram's buckets; above the last one there is one more.
    buckets: tuple[float, ...] = ()


def _counter(name: str, unit: str, labels: tuple[str, ...], meaning: str) -> Instrument:
    return Instrument(name, "counter", unit, labels, meaning)


def _gauge(name: str, unit: str, labels: tuple[str, ...], meaning: str) -> Instrument:
    return Instrument(name, "gauge", unit, labels, meaning)


def _histogram(name: str, unit: str, labels: tuple[str, ...], meaning: str, buckets: tuple[float, ...]) -> Instrument:
    return Instrument(name, "histogram", unit, labels, meaning, buckets)


#: Seconds of what is quick or broken, and of what waits for models.
_QUICK: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_SLOW: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0)
#: As the GenAI conventions advise.
_GEN_AI_S: Final = tuple(0.01 * 2**power for power in range(14))
_GEN_AI_TOKENS: Final = tuple(float(4**power) for power in range(14))
_SHARE: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
_CALLS: Final = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 16.0)
_BATCH: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)

_POLICY: Final = "prysm.policy"
_STRATEGY: Final = "prysm.strategy"
_OUTCOME: Final = "prysm.outcome"
_STAGE: Final = "prysm.stage"
_STATUS: Final = "prysm.status"
_REASON: Final = "prysm.reason"

# Every service: its RPCs, its caller's view.
RPC_DURATION: Final = _histogram(
    names.RPC_DURATION,
    "s",
    (names.RPC_SYSTEM, names.RPC_METHOD, names.RPC_STATUS, names.ERROR),
    "One RPC; error.type is the contract's error code.",
    _QUICK,
)
RPC_ACTIVE: Final = _gauge("prysm.rpc.active", "{request}", (names.RPC_METHOD,), "RPCs under way.")

# Executor: one orchestration. Its outcome is `ok`, `replayed`, `cancelled` or the contract's error code.
REQUESTS: Final = _counter(
    "prysm.requests",
    "{request}",
    (_POLICY, _STRATEGY, _OUTCOME),
    "Orchestrations that ended; one that was refused unread has neither policy nor strategy.",
)
REQUEST_DURATION: Final = _histogram(
    "prysm.request.duration", "s", (_STRATEGY, _OUTCOME), "A whole orchestration, from its check to its proof.", _SLOW
)
REQUEST_OVERHEAD: Final = _histogram(
    "prysm.request.overhead", "s", (_STRATEGY,), "What we add: its duration less that in which a model worked.", _QUICK
)
REQUEST_CALLS: Final = _histogram(
    "prysm.request.calls", "{call}", (_STRATEGY,), "Model calls of one orchestration, every attempt counted.", _CALLS
)
AGREEMENT: Final = _histogram("prysm.agreement", "1", (_STRATEGY,), "Agreement of the answers compared, 0..1.", _SHARE)
CONFIDENCE: Final = _histogram(
    "prysm.confidence", "1", (_STRATEGY, "prysm.confidence.source"), "Confidence in the answer, 0..1.", _SHARE
)
ESCALATIONS: Final = _counter(
    "prysm.escalations", "{escalation}", (_REASON,), "Steps up a cascade: the rung below was `unsure`, or it `failed`."
)
DEGRADATIONS: Final = _counter(
    "prysm.degradations", "{degradation}", (_STAGE, _REASON), "What did not go as planned in an answer that was given."
)
HEDGES: Final = _counter("prysm.hedges", "{call}", (_STATUS,), "Second calls to another provider; `ok`: it won.")

# Executor: one attempt at one model call, which is one stage.
STAGE_DURATION: Final = _histogram(
    "prysm.stage.duration", "s", (_STAGE, _STATUS), "One stage: one attempt at one model call.", _SLOW
)
OPERATION_DURATION: Final = _histogram(
    names.CLIENT_DURATION,
    "s",
    (names.OPERATION, names.PROVIDER, names.MODEL, names.ERROR),
    "The same attempt as its provider's; its count is the attempts by provider and outcome.",
    _GEN_AI_S,
)
TOKENS: Final = _histogram(
    names.CLIENT_TOKENS,
    "{token}",
    (names.OPERATION, names.PROVIDER, names.MODEL, names.TOKEN_TYPE),
    "Tokens of one attempt, `input` and `output`.",
    _GEN_AI_TOKENS,
)
COST: Final = _counter(
    "prysm.cost", "USD", (names.PROVIDER, names.MODEL), "What the attempts cost; unpriced models cost nothing."
)
BREAKERS: Final = _gauge(
    "prysm.breaker.state",
    "{breaker}",
    ("prysm.model", "prysm.state"),
    "1 for `open`, `half_open` or `counting`.",
)

OUTBOX_RUNS: Final = _gauge("prysm.outbox.runs", "{run}", (), "Runs that are kept until they can be signed.")
OUTBOX_AGE: Final = _gauge("prysm.outbox.age", "s", (), "For how long the oldest of them has waited.")
OUTBOX_ASIDE: Final = _gauge("prysm.outbox.aside", "{run}", (), "Runs that were set aside for a person to look at.")

# Planner.
PLANS: Final = _counter("prysm.plans", "{plan}", (_POLICY, _STRATEGY, "prysm.forced"), "Plans by shape.")
PLAN_DURATION: Final = _histogram(
    "prysm.plan.duration", "s", (_OUTCOME,), "Planning, compliance included; `ok` or the contract's error code.", _QUICK
)
COMPLIANCE_DECISIONS: Final = _counter(
    "prysm.compliance.decisions",
    "{decision}",
    (_OUTCOME, "prysm.pack", "prysm.asked"),
    "Decisions by outcome (`allowed`, `none`, `inert`), by whose rules, for an `orchestrate` or a `preview`.",
)
COMPLIANCE_EXCLUSIONS: Final = _counter(
    "prysm.compliance.exclusions", "{model}", ("prysm.rule",), "Models excluded, by every rule that excluded them."
)
COMPLIANCE_DETECTIONS: Final = _counter(
    "prysm.compliance.detections", "{decision}", ("prysm.class",), "Decisions that found a class of data in the text."
)

# Proof service.
SIGN_DURATION: Final = _histogram(
    "prysm.proof.sign.duration", "s", (_OUTCOME,), "Signing as its caller sees it: queue, signature, commit.", _QUICK
)
COMMIT_DURATION: Final = _histogram("prysm.proof.commit.duration", "s", (), "Signing and committing one batch.", _QUICK)
BATCH_SIZE: Final = _histogram("prysm.proof.batch.size", "{proof}", (), "Proofs of one batch.", _BATCH)
SIGN_QUEUE: Final = _gauge("prysm.proof.queue", "{proof}", (), "Records that wait for the batch after this one.")
LOG_SIZE: Final = _gauge("prysm.log.size", "{entry}", (), "Entries under the newest checkpoint known here.")
CHECKPOINT_AGE: Final = _gauge(
    "prysm.log.checkpoint.age", "s", (), "Since this process has last seen a new checkpoint, or has started."
)
IDEMPOTENCY: Final = _counter(
    "prysm.idempotency.claims", "{claim}", (_OUTCOME,), "`claimed`, `kept` (a replay), `in_progress` or `conflict`."
)

#: All of them.
TABLE: Final = tuple(value for value in list(globals().values()) if isinstance(value, Instrument))
