"""single: the model of best value is asked once; when it fails, the next best one is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executor import confidence
from executor.strategies.answer import Answer

if TYPE_CHECKING:
    from executor.run import Run


async def single(run: Run) -> Answer:
    """Answer with one model.

    Raises:
        AllFailedError: neither it nor a stand-in answered.
    """
    plan = run.task.plan
    reply = await run.ask_any("answer", (*plan.proposers, *plan.fallbacks), run.task.messages)
    return Answer(reply.text, reply.finish_reason, confidence.from_prior(reply.model))
