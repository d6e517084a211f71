"""The first step of most shapes: several models answer at once, and one steps in when none of them does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executor.chat import CallError
from executor.gather import gather
from executor.reply import AllFailedError, Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executor.plan import Model
    from executor.run import Run


async def propose(run: Run, name: str, models: Sequence[Model], share: float = 1.0) -> list[Reply]:
    """Ask all models at once and return the answers that came in time: at least one.

    Args:
        run: the run.
        name: what the answers are for.
        models: one entry a call.
        share: part of the remaining time that they may take.

    Raises:
        AllFailedError: none answered, and no stand-in did.
    """
    outcomes = await gather([run.ask(name, model, run.task.messages, share=share) for model in models])
    replies = [outcome for outcome in outcomes if isinstance(outcome, Reply)]
    action = "went on with the other answers" if replies else "asked a stand-in"
    failures = tell_missing(run, name, models, outcomes, action)
    return replies or [await stand_in(run, name, failures)]


def tell_missing(
    run: Run, name: str, models: Sequence[Model], outcomes: Sequence[Reply | CallError | None], action: str
) -> list[tuple[Model, CallError]]:
    """Record which calls gave nothing, and return those that failed."""
    failures = []
    for model, outcome in zip(models, outcomes, strict=True):
        if isinstance(outcome, CallError):
            run.degrade(name, outcome.reason, model.id, action)
            failures.append((model, outcome))
        elif outcome is None:
            run.degrade(name, "straggler", model.id, "went on without waiting for it")
    return failures


async def stand_in(run: Run, name: str, failures: Sequence[tuple[Model, CallError]]) -> Reply:
    """Ask the fallbacks one after another, since nobody answered, and then those whose breaker is open.

    Raises:
        AllFailedError: none of them answers either; it names all failures.
    """
    left_alone = dict.fromkeys(model for model, failure in failures if failure.reason == "circuit_open")
    try:
        reply = await run.ask_any(
            "answer", (*run.task.plan.fallbacks, *left_alone), run.task.messages, speech=run.speech()
        )
    except AllFailedError as error:
        raise AllFailedError([*failures, *error.failures]) from error
    run.degrade(name, "all_failed", "", f"{reply.model.id} answered alone")
    return reply
