"""An orchestration's life: plan, run, sign, answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from executor import naming, transcript
from executor.attestation import attest
from executor.budget import Ledger
from executor.reply import AllFailedError, BrokenOffError
from executor.run import Run, Task
from executor.stages import Degradation, Stage, Totals, total
from executor.strategies import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from executor.chat import Message
    from executor.edges import Edges, Observer
    from executor.plan import Plan
    from executor.strategies.answer import Answer
    from executor.transcript import Transcript


#: Seconds that planning and signing may take: they are quick or they are broken.
_PLAN_S: Final = 5.0
_SIGN_S: Final = 10.0
#: Seconds, and share of the request's time, that are kept back for signing.
_KEEP_S: Final = 0.5
_KEEP_SHARE: Final = 0.05


class NoProviderError(Exception):
    """No provider is configured, so nothing can be planned."""


class DeadlineError(Exception):
    """The request's deadline passed before there was an answer."""


class UnknownStrategyError(Exception):
    """The plan names a shape that does not exist."""


@dataclass(frozen=True)
class Request:
    """A checked request."""

    messages: tuple[Message, ...]
    policy: str
    #: Forced strategy, or None.
    strategy: str | None
    k: int | None
    max_tokens: int
    temperature: float
    #: 1e-12 USD, or None.
    max_cost: int | None
    judge_model: str
    include_trace: bool
    #: Compliance policy or name of a pack, as JSON has it and not read yet; None: there is none.
    compliance: object = None


@dataclass(frozen=True)
class Offer:
    """What can be asked right now."""

    #: Hosted providers for which there is a key.
    providers: tuple[str, ...]
    #: Ids of the operator's own models.
    local_models: tuple[str, ...]
    unhealthy: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What a run came to."""

    plan: Plan
    answer: Answer
    stages: tuple[Stage, ...]
    degradations: tuple[Degradation, ...]
    totals: Totals


@dataclass(frozen=True)
class Signed:
    """The proof service's answer."""

    #: `sha256:` and 64 hex digits.
    proof_hash: str
    keyid: str
    #: The public proof as JSON.
    bundle: bytes
    #: Its place in the log, the log's size then, and the signed note that covers both.
    log_index: int | None = None
    tree_size: int | None = None
    checkpoint: str | None = None


@dataclass(frozen=True)
class Result:
    """All that the response is made of."""

    id: str
    #: Unix seconds.
    created: int
    request: Request
    outcome: Outcome
    transcript: Transcript
    signed: Signed
    total_ms: float


class Planner(Protocol):
    """Makes plans."""

    async def plan(self, request: Request, offer: Offer, timeout_s: float) -> Plan:
        """Plan a request."""


class Notary(Protocol):
    """Signs what happened."""

    async def sign(
        self, request_id: str, created: int, outcome: Outcome, written: Transcript, timeout_s: float
    ) -> Signed:
        """Sign and store the record of a run; when this returns, the proof is durable."""


@dataclass(frozen=True)
class Chance:
    """Where ids and nonces come from."""

    #: Returns that many random bytes.
    token_bytes: Callable[[int], bytes]
    #: Unix seconds.
    wall_clock: Callable[[], float]


async def execute(
    task: Task,
    max_cost: int | None,
    edges: Edges,
    deadline: float,
    observer: Observer | None,
    began: float | None = None,
) -> Outcome:
    """Run a plan.

    Args:
        task: the plan and what it is about.
        max_cost: 1e-12 USD, or None.
        edges: what the run reaches.
        deadline: time of the clock.
        observer: is told of every stage.
        began: time of the clock from which stages count; None: now.

    Raises:
        UnknownStrategyError: the plan's shape is unknown.
        DeadlineError: time ran out first.
        AllFailedError: nobody answered.
        BrokenOffError: the answer's writer broke off after its first words.
    """
    strategy = STRATEGIES.get(task.plan.strategy)
    if strategy is None:
        raise UnknownStrategyError
    if task.plan.decision:
        # Vectors are made by a model that no decision is about; under a policy answers are compared by their words.
        edges = replace(edges, measure=None)
    run = Run(task, edges, Ledger(max_cost), edges.clock() if began is None else began, deadline, observer)
    with edges.spans.start(*naming.workflow(task.plan)) as span:
        try:
            answer = await strategy(run)
        except BrokenOffError as error:
            if error.failure.reason == "timeout":
                raise DeadlineError from error
            raise
        except AllFailedError as error:
            if run.remaining_s() <= 0 or {failure.reason for _, failure in error.failures} == {"timeout"}:
                raise DeadlineError from error
            raise
        outcome = Outcome(task.plan, answer, tuple(run.stages), tuple(run.degradations), total(run.stages))
        span.set(naming.outcome(outcome))
    return outcome


class Orchestrator:
    """Plans, runs and has signed; holds no state of a request."""

    def __init__(
        self, planner: Planner, notary: Notary, offer: Callable[[], Offer], edges: Edges, chance: Chance
    ) -> None:
        self._planner = planner
        self._notary = notary
        self._offer = offer
        self._edges = edges
        self._chance = chance

    async def orchestrate(self, request: Request, deadline: float, observer: Observer | None = None) -> Result:
        """Answer a request before `deadline`, a time of the clock.

        Raises:
            NoProviderError: nothing is configured.
            DeadlineError, AllFailedError, BrokenOffError: see `execute`.
            TranscriptError: an answer can't be put into a transcript.
            UnsignedError: it could not be signed, see `executor.recovery`.
        """
        clock = self._edges.clock
        began = clock()
        request_id = "prysm-" + self._chance.token_bytes(16).hex()
        created = int(self._chance.wall_clock())
        offer = self._offer()
        if not offer.providers and not offer.local_models:
            raise NoProviderError
        with self._edges.spans.start(*naming.planning(request.policy)):
            plan = await self._planner.plan(request, offer, min(_PLAN_S, deadline - clock()))
        if observer is not None:
            observer.planned(plan)
        task = Task(plan, request.messages, request.max_tokens, request.temperature)
        # An answer that comes too late to be signed would be paid for and lost.
        signing = min(_KEEP_S, (deadline - began) * _KEEP_SHARE)
        outcome = await execute(task, request.max_cost, self._edges, deadline - signing, observer, began)
        nonce = self._chance.token_bytes(transcript.NONCE_BYTES)
        attested = attest(plan.decision, outcome.stages, request_id)
        written = transcript.write(request_id, request.messages, outcome.answer.text, outcome.stages, nonce, attested)
        with self._edges.spans.start("prysm.proof.sign", {"prysm.request.id": request_id}):
            signed = await self._notary.sign(request_id, created, outcome, written, min(_SIGN_S, deadline - clock()))
        return Result(request_id, created, request, outcome, written, signed, (clock() - began) * 1e3)
