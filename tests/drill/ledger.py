"""What the clients were told: every request once, and the rules that it is judged by."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

#: Failures that an unplanned operation may cause, as the contract documents them.
DOCUMENTED: Final = frozenset(
    {"502 orchestration_error", "502 all_models_failed", "503 overloaded", "503 no_provider_available"}
    | {"504 deadline_exceeded"}
)
#: A connection that broke: nobody was there to answer. Only a gateway's death may cause it.
CUT: Final = "cut"
#: A stream that ended without its last event, as docs/streaming.md says of whoever dies while it speaks.
CUT_STREAM: Final = "stream without an end"


@dataclass(frozen=True)
class Told:
    """One request. Times are monotonic seconds; `failure` is empty, a status with its code, or `cut`."""

    began: float
    ended: float
    failure: str = ""
    #: Of an answer, or of a failure that promises a proof: it has to be there for ever.
    id: str = ""
    transcript: str = ""
    keyid: str = ""
    degraded: bool = False


@dataclass(frozen=True)
class Phase:
    """One thing that was done to the suite."""

    name: str
    began: float
    #: When it was over: everything was as before.
    ended: float
    planned: bool
    #: Seconds from its blows on in which requests may fail; and when these fell.
    window_s: float = 0.0
    blows: tuple[float, ...] = ()
    #: Failures that are allowed besides the documented ones.
    besides: frozenset[str] = frozenset()
    notes: str = ""


@dataclass
class Verdict:
    """A phase with what its requests were told."""

    phase: Phase
    requests: list[Told] = field(default_factory=list)

    @property
    def failures(self) -> Counter[str]:
        return Counter(told.failure for told in self.requests if told.failure)

    @property
    def recovered_s(self) -> float:
        """Seconds from a blow to the end of the last request that failed after it, the longest one."""
        ends = [told.ended for told in self.requests if told.failure]
        return max((end - max(blow for blow in self._before(end)) for end in ends), default=0.0)

    def _before(self, time: float) -> list[float]:
        return [blow for blow in self.phase.blows if blow <= time] or [self.phase.began]

    def quantile_ms(self, share: float) -> float:
        """Return a quantile of the durations of what was answered."""
        times = sorted(told.ended - told.began for told in self.requests if not told.failure)
        return times[min(len(times) - 1, int(share * len(times)))] * 1e3 if times else 0.0

    def complaints(self) -> list[str]:
        """Return a line for everything that must not have happened."""
        phase, failures = self.phase, self.failures
        found = [] if self.requests else [f"{phase.name}: no request ran"]
        if phase.planned and failures:
            return [*found, f"{phase.name}: a planned operation failed requests: {dict(failures)}"]
        if strange := failures.keys() - DOCUMENTED - phase.besides:
            found.append(f"{phase.name}: failures that no document names: {sorted(strange)}")
        late = [told for told in self.requests if told.failure and not self._within(told)]
        if late:
            found.append(f"{phase.name}: {len(late)} requests failed outside of the {phase.window_s:g} s window")
        return found

    def _within(self, told: Told) -> bool:
        """Tell whether a failed request was under way in a window."""
        return any(blow <= told.ended and told.began <= blow + self.phase.window_s for blow in self.phase.blows)


def assign(phases: list[Phase], requests: list[Told]) -> list[Verdict]:
    """Give every request to the phase in which it ended; one that ended in none to the one before."""
    verdicts = [Verdict(phase) for phase in phases]
    for told in requests if phases else ():
        index = max((i for i, phase in enumerate(phases) if phase.began <= told.ended), default=0)
        verdicts[index].requests.append(told)
    return verdicts
