"""Fitting: from a recording to the two files that planner and executor read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from evaluation import calibrating, ways
from evaluation.evidence import PARTS, by_kind, part, provenance
from evaluation.trials import Trials, folds
from planner import evidence
from planner.policies import POLICIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from evaluation.evidence import Item
    from executor.recording import Question

#: Questions' worth of belief that a model is on one kind of task as good as on all of them.
_PRIOR: Final = 10


@dataclass(frozen=True)
class Fitted:
    """What a recording taught."""

    planning: dict[str, Any]
    calibration: dict[str, Any]
    #: Names of the questions that were looked at; no test may count them.
    names: list[str]


def name_of(question: Question) -> str:
    """Return 12 hex digits by which a question is known again, in whatever recording it stands."""
    return hashlib.sha256(question.prompt.encode()).hexdigest()[:12]


def fit(folder: Path, items: Sequence[Item]) -> Fitted:
    """Fit to a recording; questions of its part for testing are not looked at.

    Args:
        folder: where the recording is.
        items: all of its questions.
    """
    parts = {name: [item for item in items if part(item.question) == name] for name in PARTS}
    kinds, scale = calibrating.scaled(calibrating.kinds_of(parts["fit"]), parts["calibrate"])
    seen = [*parts["fit"], *parts["calibrate"]]
    recorded = provenance(folder, items)
    calibrated = calibrating.content_of(kinds, scale, recorded)

    crossed = list(folds(seen, scale, {kind: known.bias for kind, known in kinds.items()}))
    trials = {
        kind: Trials([([item for item in held if item.kind == kind], known) for held, known in crossed])
        for kind in kinds
    }
    return Fitted(_planning(seen, trials, recorded), calibrated, sorted({name_of(item.question) for item in seen}))


def _planning(seen: Sequence[Item], trials: Mapping[str, Trials], recorded: Mapping[str, Any]) -> dict[str, Any]:
    quality = _quality(seen)
    unit = _unit(seen)
    tried = {kind: ways.cascades(found, unit) for kind, found in trials.items()}
    sizes = {kind: len(found.items) for kind, found in trials.items()}
    climbs = {policy: ways.choose(tried, sizes, policy) if tried else {} for policy in POLICIES}
    content: dict[str, Any] = {
        "version": evidence.VERSION,
        "recording": recorded,
        "kinds": {kind: {"models": rows} for kind, rows in quality.items()},
    }
    for kind, found in trials.items():
        voted = [ways.vote(found, unit).content()]
        content["kinds"][kind]["ways"] = {
            "cascade": {policy: [way.content() for way in climbs[policy][kind]] for policy in POLICIES},
            "self_consistency": dict.fromkeys(POLICIES, voted),
        }
    return {"id": evidence.identify(content), **content}


def _unit(items: Sequence[Item]) -> float:
    """Return what the most accurate model costs a question, in 1e-12 USD."""
    models = sorted({model for item in items for model in item.right})
    best = max(models, key=lambda model: sum(item.right.get(model, False) for item in items))
    return sum(item.costs.get(best, 0) for item in items) / len(items) or 1.0


def _quality(items: Sequence[Item]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return kind → model → what was counted, and the quality that it makes; the empty kind is all together."""
    usual = {model: row["right"] / row["asked"] for model, row in _counts(items).items()}
    kinds = {"": items, **by_kind(items)}
    return {
        kind: {
            model: {**row, "quality": round((row["right"] + _PRIOR * usual[model]) / (row["asked"] + _PRIOR), 4)}
            for model, row in _counts(found).items()
        }
        for kind, found in kinds.items()
    }


def _counts(items: Sequence[Item]) -> dict[str, dict[str, int]]:
    models = sorted({model for item in items for model in item.right})
    return {
        model: {
            "asked": sum(model in item.right for item in items),
            "right": sum(item.right.get(model, False) for item in items),
        }
        for model in models
    }
