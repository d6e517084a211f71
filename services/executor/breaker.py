"""Circuit breakers: a model that keeps failing is left alone for a while (Nygard, Release It!, 2007)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: Consecutive failures that open a breaker.
_THRESHOLD: Final = 8
#: Seconds until one call is let through to see.
_OPEN_S: Final = 2.0
#: Failures that say nothing about a model's health: the caller's fault, or a limit that was kept. A max_tokens of 1
#: makes a model that thinks answer nothing, and must not close it to everybody else.
_INNOCENT: Final = frozenset({"rate_limited", "rejected", "empty_answer", "budget", "call_limit", "circuit_open"})


@dataclass
class _State:
    failures: int = 0
    opened: float = 0.0
    probing: bool = False


class Breakers:
    """One breaker a model, for the life of the process."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Make breakers that are all closed; `clock` gives monotonic seconds."""
        self._clock = clock
        self._states: dict[str, _State] = {}

    def admits(self, model: str) -> bool:
        """Tell whether a call may go out; while half open, only one may, and asking takes that place."""
        state = self._states.get(model)
        if state is None or state.failures < _THRESHOLD:
            return True
        if state.probing or self._clock() - state.opened < _OPEN_S:
            return False
        state.probing = True
        return True

    def succeeded(self, model: str) -> None:
        """Close the breaker."""
        self._states.pop(model, None)

    def failed(self, model: str, reason: str) -> None:
        """Count a failure."""
        if reason in _INNOCENT:
            self.released(model)
            return
        state = self._states.setdefault(model, _State())
        state.failures += 1
        state.probing = False
        state.opened = self._clock()

    def released(self, model: str) -> None:
        """Give the probe's place back: its call ended without saying anything about the model."""
        if state := self._states.get(model):
            state.probing = False

    def states(self) -> dict[str, str]:
        """Return model → `open`, `half_open` or `counting` failures, of those that are not simply closed."""
        left_alone = self.unhealthy()
        return {
            model: "open" if model in left_alone else "half_open" if state.failures >= _THRESHOLD else "counting"
            for model, state in self._states.items()
        }

    def unhealthy(self) -> tuple[str, ...]:
        """Return the models that are left alone now; one that is due for its probe is planned like any other."""
        now = self._clock()
        return tuple(
            model
            for model, state in self._states.items()
            if state.failures >= _THRESHOLD and now - state.opened < _OPEN_S
        )
