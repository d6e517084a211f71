"""Which shape a prompt gets: a table, read from the top; the first signal that fired decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from planner.signals import Signals

#: Strategy → why one would take it.
STRATEGIES: Final = {
    "single": "one model is enough",
    "cascade": "the cheapest capable model goes first and a better one only follows when it is unsure",
    "ensemble_moa": "several models answer and one writes the answer from all",
    "rank_fuse": "candidates are compared in pairs and the best are fused",
    "decompose_and_route": "each part goes to the models that suit it",
    "self_consistency": "one good model is sampled and the majority counts",
    "debate": "several models answer, see one another's answers and may change their mind",
}


class _Rule(NamedTuple):
    #: A flag of Signals; empty holds always.
    signal: str
    because: str
    efficiency: str
    balanced: str
    depth: str


_RULES: Final = (
    _Rule("trivial", "it is short and takes one step", "single", "single", "single"),
    _Rule("compound", "it holds several tasks", *["decompose_and_route"] * 3),
    _Rule("checkable", "its answer is short and can be compared", "cascade", "cascade", "self_consistency"),
    _Rule("contested", "people of good will disagree about it", "cascade", "rank_fuse", "debate"),
    _Rule("open", "its wording and judgement matter", "cascade", "rank_fuse", "ensemble_moa"),
    _Rule("", "no signal asks for another shape", "cascade", "cascade", "ensemble_moa"),
)


def choose(policy: str, seen: Signals) -> tuple[str, str]:
    """Return the strategy for a prompt and the reason for it."""
    rule = next(rule for rule in _RULES if not rule.signal or getattr(seen, rule.signal))
    strategy: str = getattr(rule, policy)
    return strategy, f"{rule.because}, so {STRATEGIES[strategy]}"
