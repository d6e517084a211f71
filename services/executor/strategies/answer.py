"""What every strategy returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from executor.confidence import Confidence


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
