"""rank_fuse: candidates are compared in pairs by judges, and the best two or three are fused (arXiv 2306.02561).

Every pair is judged in both orders, and a win counts only when both agree, since judges favour a place (2406.07791). A
model never judges its own answer, since judges favour themselves (2404.13076).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from executor.strategies.answer import Answer, alone, chosen, note, note_dissent
from executor.strategies.judging import judge_pairs
from executor.strategies.propose import propose
from executor.strategies.write import write

if TYPE_CHECKING:
    from executor.agreement import Clusters
    from executor.reply import Reply
    from executor.run import Run

#: Part of the remaining time that the candidates may take: judges and the writer read what they wrote.
_CANDIDATES_SHARE: Final = 0.5
_PAIR: Final = 2


async def rank_fuse(run: Run) -> Answer:
    """Answer with the best candidates, fused.

    Raises:
        AllFailedError: no candidate came, and no stand-in answered.
    """
    # 1. Candidates in parallel.
    candidates = await propose(run, "propose", run.task.plan.proposers, _CANDIDATES_SHARE)
    if len(candidates) == 1:
        return alone(run, candidates[0])
    clusters = await run.compare(candidates)
    note_dissent(run, clusters)

    # 2. What is the same by value needs no judge.
    contenders = _contenders(clusters)
    if len(contenders) == 1:
        return chosen(clusters.best, clusters)

    # 3. Judge pairs, all at once and each in both orders; rank by the share of wins, and then by weight.
    standings = await judge_pairs(run, contenders)
    for reply in contenders:
        if not standings[reply.stage].compared:
            note(run, reply, "was not judged")
    ranking = sorted(contenders, key=lambda reply: -standings[reply.stage].share)
    winner = ranking[0]
    standing = standings[winner.stage]

    # 4. Fuse the best two, and the third unless it lost to all; when nobody does, the winner is the answer.
    best = chosen(winner, clusters, judge=standing.share if standing.judged else None)
    third = ranking[_PAIR : _PAIR + 1]
    fused = ranking[:_PAIR] + [reply for reply in third if standings[reply.stage].share > 0]
    return await write(run, "fuse", fused, best, winner.model.id)


def _contenders(clusters: Clusters) -> list[Reply]:
    """Return the candidates that are worth comparing, the weightiest first.

    Of candidates that are the same by value the best one stands for all.
    """
    if clusters.typed:
        return [group[0] for group in clusters.groups]
    return [reply for group in clusters.groups for reply in group]
