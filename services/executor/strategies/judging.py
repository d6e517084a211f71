"""Answers compared in pairs: every pair in both orders, all at once, by a model that wrote neither."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass
class Standing:
    """How a contender has done."""

    #: 1 a win, 1/2 a tie.
    points: float = 0.0
    #: Comparisons, and those of them that gave a verdict.
    compared: int = 0
    judged: int = 0

    @property
    def share(self) -> float:
        """Share of its comparisons that it won; 1/2 for one that was not compared."""
        return self.points / self.compared if self.compared else 0.5


def pairings(count: int, most: int) -> list[tuple[int, int]]:
    """Choose which of `count` contenders meet, at most `most` pairs, so that all meet equally many others.

    Everybody meets everybody; where that is too much, neighbours in a circle; where that is too much, every other pair
    of those, the first ones first.
    """
    everybody = list(combinations(range(count), 2))
    if len(everybody) <= most:
        return everybody
    circle = [(place, (place + 1) % count) for place in range(count)]
    return circle if count <= most else circle[: 2 * (count // 2) : 2][: max(0, most)]


async def judge_pairs(run: Run, contenders: Sequence[Reply]) -> dict[int, Standing]:
    """Compare contenders as far as the calls that are left allow, but for the writer's; return standings by stage."""
    judges: list[Model] = []
    pairs: list[tuple[Reply, Reply]] = []
    meetings = pairings(len(contenders), (run.calls_left() - 1) // 2)
    if not meetings:
        run.degrade("judge", "call_limit", "", "ranked the answers by who gave them")
    for left, right in meetings:
        one, other = contenders[left], contenders[right]
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
                prompts.compare(run.task.messages, one.text, other.text),
                share=_SHARE,
                depends_on=(one.stage, other.stage),
                temperature=0.0,
            )
            for judge, (one, other) in zip(judges, pairs, strict=True)
        ]
    )
    standings = {reply.stage: Standing() for reply in contenders}
    for index in range(0, len(pairs), 2):
        first, second = (standings[reply.stage] for reply in pairs[index])
        forth, back = (_read(run, judges[index], outcome) for outcome in outcomes[index : index + 2])
        won = 1.0 if (forth, back) == (0, 1) else 0.0 if (forth, back) == (1, 0) else 0.5
        for standing, points in ((first, won), (second, 1 - won)):
            standing.points += points
            standing.compared += 1
            standing.judged += forth is not None and back is not None
    return standings


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
