"""What stands between a request and the models: reads the policy, classifies the texts, decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.classifier import classify
from planner.compliance.decision import Decision, decide

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from planner.catalog import Model
    from planner.compliance.matrix import Matrix
    from planner.compliance.policy import Policy


@dataclass(frozen=True)
class Ruling:
    """A decision, and the kinds of data that it was made on."""

    decision: Decision
    #: Class → kinds; never a text.
    classification: Mapping[str, tuple[str, ...]]


def rule(policy: Policy, texts: Iterable[str], models: Sequence[Model], matrix: Matrix) -> Ruling:
    """Classify texts and decide which of some models may read them."""
    classification = classify(texts)
    return Ruling(decide(policy, tuple(classification), models, matrix), classification)
