"""single: the model of best value is asked once; when it fails, or is late, the next best one is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executor.strategies.answer import Answer, alone

if TYPE_CHECKING:
    from executor.run import Run


async def single(run: Run) -> Answer:
    """Answer with one model.

    Raises:
        AllFailedError: neither it nor a stand-in answered.
    """
    plan = run.task.plan
    models = (*plan.proposers, *plan.fallbacks)
    return alone(run, await run.ask_any("answer", models, run.task.messages, speech=run.speech()))
