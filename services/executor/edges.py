"""What a run reaches outside of itself, as small Protocols that are passed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from random import Random

    from executor.agreement import Measure
    from executor.breaker import Breakers
    from executor.calibration import Calibration
    from executor.chat import Provider
    from executor.hedging import Hedges
    from executor.plan import Model, Plan
    from executor.stages import Stage


class Span(Protocol):
    """A traced unit of work."""

    span_id: str

    def set(self, attributes: Mapping[str, str | bool | int | float]) -> None:
        """Add attributes."""

    def fail(self, reason: str) -> None:
        """Mark as failed."""

    def lasted(self, milliseconds: float) -> None:
        """Say how long it took."""


class Spans(Protocol):
    """Starts spans."""

    def start(
        self,
        name: str,
        attributes: Mapping[str, str | bool | int | float],
        *,
        client: bool = False,
        links: Sequence[str] = (),
    ) -> AbstractContextManager[Span]:
        """Run a block inside a span; `links` are ids of other spans of this run."""


class Observer(Protocol):
    """Is told what happens as it happens: the plan, every stage's start and end, the answer's text."""

    #: Wants the answer's text while it is being written; else the models are asked for whole answers.
    listens: bool

    def planned(self, plan: Plan) -> None:
        """The plan is made; nothing has been asked yet."""

    def started(self, stage: Stage) -> None:
        """A call goes out."""

    def completed(self, stage: Stage) -> None:
        """A call has ended, in whatever way."""

    def said(self, text: str) -> None:
        """The next piece of the final answer; what was said can't be taken back."""


class Silent:
    """An observer that looks away."""

    listens = False

    def planned(self, plan: Plan) -> None:
        """Do nothing."""

    def started(self, stage: Stage) -> None:
        """Do nothing."""

    def completed(self, stage: Stage) -> None:
        """Do nothing."""

    def said(self, text: str) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class Edges:
    """What a run reaches outside of itself."""

    provider_of: Callable[[Model], Provider]
    breakers: Breakers
    hedges: Hedges
    spans: Spans
    #: Monotonic seconds.
    clock: Callable[[], float]
    random: Random
    #: From free texts to how alike they are; None: by their words.
    measure: Callable[[Sequence[str]], Awaitable[Measure]] | None = None
    #: From who says what to the chance that it is right; None: nobody knows.
    calibration: Calibration | None = None
    #: Spans hold what was asked and answered.
    traces_texts: bool = False
