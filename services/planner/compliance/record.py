"""What is told of a decision, to the log and to whoever counts: which rules, which classes, how many; never a text."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from planner.compliance.policy import pack_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.compliance.decision import Decision

#: What a pack is called where the rules are the client's own.
OWN: Final = "own"


@dataclass(frozen=True)
class Record:
    """One decision. Every value is one of a few, but for the counts: each can be a label of a metric."""

    #: Who asked for it.
    asked: Literal["orchestrate", "preview"]
    #: `inert`: there was no rule; `none`: no model is left.
    outcome: Literal["allowed", "none", "inert"]
    #: The name of the pack whose rules these are, or `own`; empty for no rules.
    pack: str
    #: Models that are left, and that are not.
    allowed: int
    excluded: int
    #: Rule → how many models it excluded; a model may be excluded by several.
    excluded_by: Mapping[str, int]
    #: Classes that the texts hold, in the contract's order.
    detected: tuple[str, ...]

    @staticmethod
    def of(decision: Decision, asked: Literal["orchestrate", "preview"]) -> Record:
        """Take from a decision what may be told."""
        active = decision.policy.active
        return Record(
            asked=asked,
            outcome=("allowed" if decision.allowed else "none") if active else "inert",
            pack=(pack_of(decision.policy) or OWN) if active else "",
            allowed=len(decision.allowed),
            excluded=len(decision.excluded),
            excluded_by=dict(decision.by_rule),
            detected=decision.detected,
        )

    def fields(self) -> dict[str, Any]:
        """Return it as fields of a log line."""
        return asdict(self)
