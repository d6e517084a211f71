"""What recordings of models taught: how often each is right on which kind of task, and which calls pay there.

The numbers are fitted and stand in a file; nothing of them is in the code. A kind of task or a model that was not
recorded is planned by priors.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from chassis import fitted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

VERSION: Final = 1


class EvidenceError(ValueError):
    """An evidence file can't be used."""


@dataclass(frozen=True)
class Way:
    """Models that were asked in this order, and where it paid to stop."""

    models: tuple[str, ...]
    #: Calibrated confidence from which on a further call costs more than it gains, 0..1.
    bar: float


@dataclass(frozen=True)
class Evidence:
    """What was recorded, by kind of task; the empty kind is all of them together."""

    #: `evd-` and 16 hex digits of its content's SHA-256; empty: there is none.
    id: str = ""
    #: Kind → model → chance of a right answer, 0..1.
    _right: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    #: Kind → strategy → policy → ways, the best first; later ones do without some of its models.
    _ways: Mapping[str, Mapping[str, Mapping[str, tuple[Way, ...]]]] = field(default_factory=dict)

    def quality(self, model: str, kind: str) -> float | None:
        """Return how often a model was right, 0..1; None when it was not recorded."""
        return self._right.get(kind, {}).get(model)

    def way(self, kind: str, strategy: str, policy: str, usable: frozenset[str]) -> Way | None:
        """Return the best recorded way with models that are all usable; None when there is none."""
        ways = self._ways.get(kind, {}).get(strategy, {}).get(policy, ())
        return next((way for way in ways if usable.issuperset(way.models)), None)


NOTHING: Final = Evidence()


_FORM: Final = fitted.Form("planner", "evidence", "planning", "evd", VERSION, EvidenceError)


def identify(content: Mapping[str, Any]) -> str:
    """Return the id of an evidence's content."""
    return _FORM.identify(content)


def load(path: Path | None = None) -> Evidence:
    """Read evidence: what ships with this package, or the `planning` of a user's own file.

    Raises:
        EvidenceError: it can't be read, is of another version, or is not what was written.
    """
    return _FORM.load(path, _read)


def _read(content: Mapping[str, Any]) -> Evidence:
    return Evidence(
        content["id"],
        {
            kind: {model: _chance(row["quality"]) for model, row in told["models"].items()}
            for kind, told in content["kinds"].items()
        },
        {kind: _ways(told.get("ways", {})) for kind, told in content["kinds"].items()},
    )


def _ways(told: Mapping[str, Any]) -> Mapping[str, Mapping[str, tuple[Way, ...]]]:
    return {
        strategy: {
            policy: tuple(Way(tuple(way["models"]), _chance(way["bar"])) for way in ways)
            for policy, ways in by_policy.items()
        }
        for strategy, by_policy in told.items()
    }


def _chance(value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError("a chance is in 0..1")
    return float(value)
