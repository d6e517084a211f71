"""The last step of some shapes: one model writes the final answer from others', or the best of those is it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from executor import confidence, prompts
from executor.readings import BelowMarker, final_answer
from executor.reply import AllFailedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executor.reply import Reply
    from executor.run import Run
    from executor.strategies.answer import Answer


async def write(run: Run, name: str, sources: Sequence[Reply], best: Answer, by: str) -> Answer:
    """Have the final answer written from `sources`.

    Args:
        run: the run.
        name: what the writing is called.
        sources: the answers that the writer reads.
        best: what is returned when nobody writes one; its agreement is also that of what is written.
        by: whose answer `best` is.

    Raises:
        BrokenOffError: the writer broke off after its first words.
    """
    # Anonymous and in random order, so that neither name nor place speaks for an answer.
    shown = run.random.sample(sources, len(sources))
    question = prompts.aggregate(run.task.messages, [reply.text for reply in shown])
    depends_on = tuple(sorted(reply.stage for reply in sources))
    speech = run.speech(BelowMarker)
    try:
        written = await run.ask_any(name, run.task.plan.synthesizers, question, depends_on=depends_on, speech=speech)
    except AllFailedError as error:
        failed = [(model.id, failure.reason) for model, failure in error.failures] or [("", "unavailable")]
    else:
        if text := final_answer(written.text, cut=written.finish_reason == "length"):
            # A calibration speaks of the answers that were compared, and not of what is made of them.
            return replace(
                best,
                text=text,
                finish_reason=written.finish_reason,
                confidence=confidence.weigh(best.confidence.parts),
                aggregator=written.model.id,
            )
        failed = [(written.model.id, "empty_answer")]
    for writer, reason in failed:
        run.degrade(name, reason, writer, f"returned the best answer, by {by}")
    return best
