"""Answers compared in pairs: every pair in both orders, all at once, by a model that wrote neither."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Final

from executor import prompts
from executor.chat import CallError
from executor.gather import gather
from executor.readings import verdict
from executor.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executor.plan import Model
    from executor.run import Run

#: Part of the remaining time that the judges may take.
_SHARE: Final = 0.5
_PAIR: Final = 2


async def judge_pairs(run: Run, contenders: Sequence[Reply]) -> tuple[dict[int, float], set[int]]:
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
    outcomes = await gather(
        [
            run.ask(
                "judge",
                judge,
                prompts.compare(run.task.messages, first.text, second.text),
                share=_SHARE,
                depends_on=(first.stage, second.stage),
                temperature=0.0,
            )
            for judge, (first, second) in zip(judges, pairs, strict=True)
        ]
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
