"""rank_fuse: candidates are compared in pairs by judges, and the best two or three are fused (arXiv 2306.02561).

Every pair is judged in both orders, and a win counts only when both agree, since judges favour a place (2406.07791). A
model never judges its own answer, since judges favour themselves (2404.13076).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from executor.strategies.answer import Answer, alone, chosen, note_dissent
from executor.strategies.judging import judge_pairs
from executor.strategies.propose import propose
from executor.strategies.write import write

if TYPE_CHECKING:
    from executor.agreement import Clusters
    from executor.reply import Reply
    from executor.run import Run

#: Part of the remaining time that the candidates may take: judges and the writer read what they wrote.
_CANDIDATES_SHARE: Final = 0.5
_FUSED: Final = 3
_PAIR: Final = 2


async def rank_fuse(run: Run) -> Answer:
    """Answer with the best candidates, fused.

    Raises:
        AllFailedError: no candidate came, and no stand-in answered.
    """
    # 1. Candidates in parallel.
    candidates = await propose(run, "propose", run.task.plan.proposers, _CANDIDATES_SHARE)
    if len(candidates) == 1:
        return alone(candidates[0])
    clusters = await run.compare(candidates)
    note_dissent(run, clusters)

    # 2. What is the same by value needs no judge.
    contenders = _contenders(clusters, run.calls_left() - 1)
    if len(contenders) == 1:
        return chosen(clusters.best, clusters)

    # 3. Judge all pairs at once, each in both orders, and rank by wins (Copeland).
    points, judged = await judge_pairs(run, contenders)
    ranking = sorted(contenders, key=lambda reply: (-points[reply.stage], contenders.index(reply)))
    winner = ranking[0]
    share = points[winner.stage] / (len(contenders) - 1) if winner.stage in judged else None

    # 4. Fuse the best two, and the third unless it lost to all; when nobody does, the winner is the answer.
    best = chosen(winner, clusters, judge=share)
    fused = [reply for place, reply in enumerate(ranking[:_FUSED]) if place < _PAIR or points[reply.stage] > 0]
    return await write(run, "fuse", fused, best, winner.model.id)


def _contenders(clusters: Clusters, calls: int) -> list[Reply]:
    """Return the candidates that are worth comparing, the weightiest first, as many as `calls` can judge all pairs of.

    Of candidates that are the same by value the best one stands for all.
    """
    if clusters.typed:
        found = [group[0] for group in clusters.groups]
    else:
        found = [reply for group in clusters.groups for reply in group]
    most = len(found)
    while most > _PAIR and most * (most - 1) > calls:
        most -= 1
    return found[:most]
