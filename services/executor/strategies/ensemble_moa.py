"""ensemble_moa: a mixture of agents in one layer (arXiv 2406.04692, Self-MoA 2502.00674).

Proposers answer in parallel; one aggregator sees their answers anonymised and shuffled, criticises them, then writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from executor.strategies.answer import Answer, alone, chosen, note_dissent, whole_of
from executor.strategies.propose import propose
from executor.strategies.write import write

if TYPE_CHECKING:
    from executor.run import Run

#: Part of the remaining time that the proposers may take: the aggregator reads all that they wrote.
_PROPOSERS_SHARE: Final = 0.6


async def ensemble_moa(run: Run) -> Answer:
    """Answer with several models and one writer.

    Raises:
        AllFailedError: no proposer answered, and no stand-in did.
    """
    # 1. Propose in parallel; go on with those who answered.
    proposals = await propose(run, "propose", run.task.plan.proposers, _PROPOSERS_SHARE)

    # 2. Compare; a lone proposal agrees with nobody and needs no writer.
    if len(proposals) == 1:
        return alone(run, proposals[0])
    clusters = await run.compare(proposals)
    note_dissent(run, clusters)

    # 3. Aggregate; when nobody writes an answer, the best proposal is one.
    best = whole_of(clusters.groups[0])
    return await write(run, "aggregate", proposals, chosen(best, clusters), best.model.id)
