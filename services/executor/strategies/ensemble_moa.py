"""ensemble_moa: a mixture of agents in one layer (arXiv 2406.04692, Self-MoA 2502.00674).

Proposers answer in parallel; one aggregator sees their answers anonymised and shuffled, criticises them, then writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from executor import agreement, confidence, prompts
from executor.chat import CallError
from executor.gather import gather
from executor.run import AllFailedError, Reply
from executor.strategies.answer import Answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executor.plan import Model
    from executor.run import Run

#: Part of the remaining time that the proposers may take: the aggregator reads all that they wrote.
_PROPOSERS_SHARE: Final = 0.6


async def ensemble_moa(run: Run) -> Answer:
    """Answer with several models and one writer.

    Raises:
        AllFailedError: no proposer answered, and no stand-in did.
    """
    plan, messages = run.task.plan, run.task.messages

    # 1. Propose in parallel; go on with those who answered.
    outcomes = await gather([run.ask("propose", model, messages, share=_PROPOSERS_SHARE) for model in plan.proposers])
    proposals = [outcome for outcome in outcomes if isinstance(outcome, Reply)]
    failures = _tell_missing(run, outcomes)
    if not proposals:
        return await _stand_in(run, failures)

    # 2. Compare; a lone proposal agrees with nobody and needs no writer.
    clusters = agreement.cluster(proposals)
    shared, best = clusters.share, clusters.best
    if shared is None:
        return Answer(best.text, best.finish_reason, confidence.from_prior(best.model))
    for reply in clusters.dissent:
        run.stages[reply.stage].note = "dissents from the largest group of answers"
    sureness = confidence.from_agreement(shared, best.model)

    # 3. Aggregate: anonymous and in random order, so that neither name nor place speaks for an answer.
    shown = run.random.sample(proposals, len(proposals))
    question = prompts.aggregate(messages, [reply.text for reply in shown])
    sources = tuple(sorted(reply.stage for reply in shown))
    try:
        written = await run.ask_any("aggregate", plan.synthesizers, question, depends_on=sources)
    except AllFailedError as error:
        failed = [(model.id, failure.reason) for model, failure in error.failures] or [("", "unavailable")]
    else:
        if text := prompts.final_answer(written.text, cut=written.finish_reason == "length"):
            return Answer(text, written.finish_reason, sureness, shared, aggregator=written.model.id)
        failed = [(written.model.id, "empty_answer")]

    # 4. Nobody wrote an answer: the best proposal is one.
    for writer, reason in failed:
        run.degrade("aggregate", reason, writer, f"returned the best proposal, by {best.model.id}")
    return Answer(best.text, best.finish_reason, sureness, shared)


def _tell_missing(run: Run, outcomes: Sequence[Reply | CallError | None]) -> list[tuple[Model, CallError]]:
    """Tell which proposers gave nothing, and return those that failed."""
    some = any(isinstance(outcome, Reply) for outcome in outcomes)
    failures = []
    for model, outcome in zip(run.task.plan.proposers, outcomes, strict=True):
        if isinstance(outcome, CallError):
            action = "went on with the other proposals" if some else "asked a stand-in"
            run.degrade("propose", outcome.reason, model.id, action)
            failures.append((model, outcome))
        elif outcome is None:
            run.degrade("propose", "straggler", model.id, "went on without waiting for it")
    return failures


async def _stand_in(run: Run, failures: Sequence[tuple[Model, CallError]]) -> Answer:
    """Ask the fallbacks one after another, since no proposer answered, and then those whose breaker is open."""
    try:
        left_alone = dict.fromkeys(model for model, failure in failures if failure.reason == "circuit_open")
        reply = await run.ask_any("answer", (*run.task.plan.fallbacks, *left_alone), run.task.messages)
    except AllFailedError as error:
        raise AllFailedError([*failures, *error.failures]) from error
    run.degrade("propose", "all_failed", "", f"{reply.model.id} answered alone")
    return Answer(reply.text, reply.finish_reason, confidence.from_prior(reply.model))
