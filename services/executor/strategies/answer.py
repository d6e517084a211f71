"""What every strategy returns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from executor import confidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executor.agreement import Clusters
    from executor.confidence import Confidence
    from executor.reply import Reply
    from executor.run import Run


@dataclass(frozen=True)
class Answer:
    """The final answer and how sure it is."""

    text: str
    #: `stop` or `length`.
    finish_reason: str
    confidence: Confidence
    #: 0..1; None when one answer was compared.
    agreement: float | None = None
    #: Catalog id of the model that wrote the answer from others'; None when none did.
    aggregator: str | None = None


def whole_of(group: Sequence[Reply]) -> Reply:
    """Return a group's best answer that the limit did not cut, or its best one: all of them say the same.

    One that is no JSON although it looks like it comes after all others: somebody may want to parse it.
    """
    whole = [reply for reply in group if reply.finish_reason == "stop"] or list(group[:1])
    return next((reply for reply in whole if not reply.answer.broken), whole[0])


def alone(run: Run, reply: Reply) -> Answer:
    """Return an answer that was compared with no other: what is known of it is what is known of its model."""
    return chosen(reply, run.weigh([reply]))


def chosen(reply: Reply, clusters: Clusters, *, judge: float | None = None) -> Answer:
    """Return one of several answers as the final one; what speaks for it is its own group.

    A judge's verdict is no part of any calibration, so where there is one the answer's confidence is not calibrated.
    """
    sureness = confidence.assess(
        reply.model.quality, agreement=clusters.share_of(reply), logprob=reply.logprob, judge=judge
    )
    chance = clusters.chance_of(reply)
    if chance is not None and judge is None:
        sureness = replace(sureness, value=chance, source="calibrated", calibration=clusters.calibration)
    return Answer(reply.text, reply.finish_reason, sureness, clusters.share)


def note(run: Run, reply: Reply, text: str) -> None:
    """Add a note to an answer's stage."""
    stage = run.stages[reply.stage]
    stage.note = f"{stage.note}; {text}" if stage.note else text


def note_dissent(run: Run, clusters: Clusters, answer: Reply | None = None) -> None:
    """Note at their stages which answers are outside the largest group, or outside the one that `answer` is in."""
    held = next((group for group in clusters.groups if answer in group), clusters.groups[0])
    dissent = f"dissents from {'the largest group of answers' if held is clusters.groups[0] else 'the chosen answer'}"
    for reply in (reply for group in clusters.groups if group is not held for reply in group):
        note(run, reply, dissent)
