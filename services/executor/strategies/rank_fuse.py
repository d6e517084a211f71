"""rank_fuse: candidates are compared in pairs by judges, and the best two or three are fused (arXiv 2306.02561).

Every pair is judged in both orders, and a win counts only when both agree, since judges favour a place (2406.07791). A
model never judges its own answer, since judges favour themselves (2404.13076).
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Final

from executor import prompts
from executor.chat import CallError
from executor.gather import gather
from executor.readings import verdict
from executor.reply import Reply
from executor.strategies.answer import Answer, alone, chosen, note_dissent
from executor.strategies.propose import propose
from executor.strategies.write import write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executor.agreement import Clusters
    from executor.plan import Model
    from executor.run import Run

#: Parts of the remaining time that the candidates, and then the judges, may take.
_CANDIDATES_SHARE: Final = 0.5
_JUDGES_SHARE: Final = 0.5
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
    points, judged = await _judge(run, contenders)
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


async def _judge(run: Run, contenders: Sequence[Reply]) -> tuple[dict[int, float], set[int]]:
    """Return each contender's points by its stage, 1 a win and 1/2 a tie, and the stages of those that were judged."""
    judges: list[Model] = []
    pairs: list[tuple[Reply, Reply]] = []
    for one, other in combinations(contenders, 2):
        if len(pairs) + _PAIR > run.calls_left() - 1:  # one order alone says nothing, and the writer's call is its own
            run.degrade("judge", "call_limit", "", f"took {one.model.id} and {other.model.id} for equals")
            continue
        if (judge := _impartial(run.task.plan.judges, one, other)) is None:
            run.degrade("judge", "no_judge", "", f"took {one.model.id} and {other.model.id} for equals")
            continue
        judges += [judge, judge]
        pairs += [(one, other), (other, one)]
    outcomes = (
        await gather(
            [
                run.ask(
                    "judge",
                    judge,
                    prompts.compare(run.task.messages, first.text, second.text),
                    share=_JUDGES_SHARE,
                    depends_on=(first.stage, second.stage),
                    temperature=0.0,
                )
                for judge, (first, second) in zip(judges, pairs, strict=True)
            ]
        )
        if pairs
        else []
    )
    points = {reply.stage: 0.0 for reply in contenders}
    judged: set[int] = set()
    for index in range(0, len(pairs), 2):
        one, other = pairs[index]
        forth, back = (_read(run, judges[index], outcome) for outcome in outcomes[index : index + 2])
        if forth is not None and back is not None:
            judged |= {one.stage, other.stage}
        won = 1.0 if (forth, back) == (0, 1) else 0.0 if (forth, back) == (1, 0) else 0.5
        points[one.stage] += won
        points[other.stage] += 1 - won
    for one, other in combinations(contenders, 2):
        if (one, other) not in pairs:
            points[one.stage] += 0.5
            points[other.stage] += 0.5
    return points, judged


def _impartial(judges: Sequence[Model], one: Reply, other: Reply) -> Model | None:
    """Return the best judge that wrote neither answer, of another family than both if there is one."""
    able = [judge for judge in judges if judge.id not in {one.model.id, other.model.id}]
    apart = [judge for judge in able if judge.family not in {one.model.family, other.model.family}]
    return next(iter(apart or able), None)


def _read(run: Run, judge: Model, outcome: Reply | CallError | None) -> int | None:
    """Return a judge's verdict, 0 or 1 or -1 for a tie; None, and a degradation, when there is none."""
    if isinstance(outcome, Reply) and (chose := verdict(outcome.text, _PAIR)) is not None:
        return chose
    reason = outcome.reason if isinstance(outcome, CallError) else "straggler" if outcome is None else "bad_response"
    run.degrade("judge", reason, judge.id, "took the pair for equals")
    return None
