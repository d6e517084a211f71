"""A plan as the executor reads it: which models are asked, in which shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Model:
    """One model that a plan names."""

    id: str
    provider: str
    #: The provider's own name for it.
    upstream: str
    #: Models of one family err together.
    family: str
    #: Tokens, prompt and answer together.
    context_window: int
    #: 1e-12 USD a token; None when not known.
    input_price: int | None
    output_price: int | None
    #: Chance of a right answer on the plan's task, 0..1.
    quality: float
    #: It tells the log-probabilities of its tokens.
    logprobs: bool = False


@dataclass(frozen=True)
class Plan:
    """What the planner decided."""

    policy: str
    strategy: str
    forced: bool
    rationale: str
    task: str
    signals: tuple[str, ...]
    #: What an answer must reach under the policy, 0..1.
    confidence_bar: float
    k: int
    #: One entry a call, best first; of a cascade its rungs, the cheapest first.
    proposers: tuple[Model, ...]
    #: Who may write the final answer from others', best first.
    synthesizers: tuple[Model, ...]
    #: Stand-ins for a proposer that fails, best first.
    fallbacks: tuple[Model, ...]
    #: Who may compare others' answers, best first.
    judges: tuple[Model, ...] = ()
    #: Task → who serves it, best value first; the plan's own task is always there. Only for decompose_and_route.
    routes: Mapping[str, tuple[Model, ...]] = field(default_factory=dict)
    #: RFC 8785 form of the compliance decision that all of these models passed; empty: no policy holds.
    decision: bytes = b""
    #: The kind of its task, more finely: what calibrations are kept by.
    kind: str = ""
