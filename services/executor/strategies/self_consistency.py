"""self_consistency: one model is sampled several times, and what it says most often is the answer.

Where recorded evidence says that several models err less together than the best one does again and again, the samples
are of several models, and each vote weighs as much as its model is worth on this kind of task.

Self-consistency (arXiv 2203.11171), drawn in waves and stopped as soon as more samples would change nothing, or a first
wave is of one mind (early stopping, 2401.10480). With up to eight samples the posterior of Adaptive-Consistency
(2305.11860) stops no earlier than these two rules. Of free texts the most central one
of the largest group is returned, in place of a vote (2311.17311).
"""

from __future__ import annotations

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

        # 2. Stop when the rest would not change the vote.
        clusters = await run.compare(samples)
        if _decided(clusters, len(samples), left, plan.confidence_bar):
            break

    # 3. The largest group's most central sample that is whole is the answer.
    if clusters is None:
        return alone(run, await stand_in(run, "sample", failures))
    note_dissent(run, clusters)
    return chosen(whole_of(clusters.groups[0]), clusters)


def _decided(clusters: Clusters, drawn: int, left: int, bar: float) -> bool:
    """Tell whether more samples are a waste: the lead can't be lost, or the first wave is of one mind.

    Where votes have calibrated weights, they are a waste once the answer is as sure as the plan demands.
    """
    if clusters.chances is not None:
        return clusters.chances[0] >= bar
    first, second = (*(len(group) for group in clusters.groups), 0)[:2]
    return first - second > left or first == drawn >= _WAVE
