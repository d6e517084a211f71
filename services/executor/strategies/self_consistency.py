"""self_consistency: one model is sampled several times, and what it says most often is the answer.

Self-consistency (arXiv 2203.11171), drawn in waves and stopped as soon as more samples would change nothing
(Adaptive-Consistency 2305.11860, early stopping at a window of one mind 2401.10480). Of free texts the most central one
of the largest group is returned, in place of a vote (2311.17311).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from executor.gather import gather
from executor.reply import Reply
from executor.strategies.answer import Answer, alone, chosen, note_dissent, whole_of
from executor.strategies.propose import stand_in, tell_missing

if TYPE_CHECKING:
    from executor.agreement import Clusters
    from executor.chat import CallError
    from executor.plan import Model
    from executor.run import Run

#: Samples that are drawn at once.
_WAVE: Final = 3
#: Part of the remaining time that a wave may take while another one, or a stand-in, may come after it.
_WAVE_SHARE: Final = 0.6
#: Chance that the leading answer stays in front, from which on no more is drawn.
_SURE: Final = 0.95


async def self_consistency(run: Run) -> Answer:
    """Answer by a vote among samples.

    Raises:
        AllFailedError: no sample came, and no stand-in answered.
    """
    plan = run.task.plan
    models = plan.proposers
    samples: list[Reply] = []
    failures: list[tuple[Model, CallError]] = []
    clusters = None
    for drawn in range(0, len(models), _WAVE):
        # 1. Draw a wave.
        wave = models[drawn : drawn + _WAVE]
        left = len(models) - drawn - len(wave)
        share = _WAVE_SHARE if left or (plan.fallbacks and not samples) else 1.0
        outcomes = await gather([run.ask("sample", model, run.task.messages, share=share) for model in wave])
        samples += [outcome for outcome in outcomes if isinstance(outcome, Reply)]
        action = "went on with the other samples" if samples else "asked a stand-in"
        failures += tell_missing(run, "sample", wave, outcomes, action)
        if not samples:
            break

        # 2. Stop when the rest can't, or very likely won't, change the vote.
        clusters = await run.compare(samples)
        if _decided(clusters, len(samples), left):
            break

    # 3. The largest group's most central sample that is whole is the answer.
    if clusters is None:
        return alone(await stand_in(run, "sample", failures))
    note_dissent(run, clusters)
    return chosen(whole_of(clusters.groups[0]), clusters)


def _decided(clusters: Clusters, drawn: int, left: int) -> bool:
    """Tell whether the leading answer will stay in front: surely, by a first wave of one mind, or very likely."""
    first, second = (*(len(group) for group in clusters.groups), 0)[:2]
    if first - second > left:
        return True
    if first == drawn and drawn >= _WAVE:
        return True
    return _stays_in_front(first, second) >= _SURE


def _stays_in_front(first: int, second: int) -> float:
    """Return the chance that the first of two answers is the more frequent one, after so many samples of each.

    The posterior under a flat prior, P(p > 1/2) of Beta(first + 1, second + 1), which for integers is a binomial sum.
    """
    flips = first + second + 1
    return math.ldexp(sum(math.comb(flips, heads) for heads in range(first + 1)), -flips)
