"""What happened, call by call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from executor.chat import ChatRequest
    from executor.plan import Model


@dataclass
class Stage:
    """One attempt at one model call. Written by Run alone, and not after the attempt has ended."""

    index: int
    name: str
    model: Model
    #: 1 for the first try of this call.
    attempt: int
    depends_on: tuple[int, ...]
    #: What was asked; never leaves the process but as a digest.
    request: ChatRequest
    #: Milliseconds since the orchestration began.
    start_ms: float
    duration_ms: float = 0.0
    #: `running`, then `ok`, `failed` or `cancelled`.
    status: str = "running"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    #: 1e-12 USD; 0 while nothing is owed, or the price is not known.
    cost: int = 0
    #: The counts are our guess and not the provider's.
    estimated: bool = False
    #: What came back; never leaves the process but as a digest, unless it is the answer.
    output: str = ""
    error_reason: str = ""
    error_message: str = ""
    note: str = ""
    span_id: str = ""

    @property
    def priced(self) -> bool:
        """Whether the model's price is known."""
        return self.model.input_price is not None and self.model.output_price is not None


@dataclass(frozen=True)
class Degradation:
    """One thing that did not go as planned, and what was done instead."""

    stage: str
    reason: str
    #: Catalog id; empty when it was no model's fault.
    model: str
    action: str


@dataclass
class Totals:
    """Sums over all stages."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    #: 1e-12 USD.
    cost: int = 0
    estimated: bool = False
    unpriced_calls: int = 0
    #: Milliseconds in which at least one call was under way: the critical path through the calls.
    models_ms: float = 0.0
    models_used: list[str] = field(default_factory=list)


def total(stages: Iterable[Stage]) -> Totals:
    """Sum up ended stages."""
    sums = Totals()
    busy_until = 0.0
    for stage in sorted(stages, key=lambda stage: stage.start_ms):
        sums.prompt_tokens += stage.prompt_tokens
        sums.completion_tokens += stage.completion_tokens
        sums.cost += stage.cost
        sums.unpriced_calls += not stage.priced
        sums.estimated |= stage.estimated or not stage.priced
        end = stage.start_ms + stage.duration_ms
        sums.models_ms += max(0.0, end - max(stage.start_ms, busy_until))
        busy_until = max(busy_until, end)
        if stage.status == "ok" and stage.model.id not in sums.models_used:
            sums.models_used.append(stage.model.id)
    return sums
