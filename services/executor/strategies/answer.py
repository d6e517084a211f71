"""What every strategy returns."""

from __future__ import annotations

from dataclasses import dataclass
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
    """Return a group's best answer that the limit did not cut, or its best one: all of them say the same."""
    return next((reply for reply in group if reply.finish_reason == "stop"), group[0])


def alone(reply: Reply) -> Answer:
    """Return an answer that was compared with no other: nothing is known of it but its model's prior."""
    return Answer(reply.text, reply.finish_reason, confidence.assess(reply.model.quality, logprob=reply.logprob))


def chosen(reply: Reply, clusters: Clusters, *, judge: float | None = None) -> Answer:
    """Return one of several answers as the final one; what speaks for it is the share of its own group."""
    sureness = confidence.assess(
        reply.model.quality, agreement=clusters.share_of(reply), logprob=reply.logprob, judge=judge
    )
    return Answer(reply.text, reply.finish_reason, sureness, clusters.share)


def note_dissent(run: Run, clusters: Clusters, answer: Reply | None = None) -> None:
    """Note at their stages which answers are outside the largest group, or outside the one that `answer` is in."""
    held = next((group for group in clusters.groups if answer in group), clusters.groups[0])
    note = f"dissents from {'the largest group of answers' if held is clusters.groups[0] else 'the chosen answer'}"
    for reply in (reply for group in clusters.groups if group is not held for reply in group):
        stage = run.stages[reply.stage]
        stage.note = f"{stage.note}; {note}" if stage.note else note
