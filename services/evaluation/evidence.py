"""A recording as fitting and testing see it: every answer read, graded and priced, every question of a kind."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from evaluation import grading
from executor import agreement, recording
from executor.plan import Model
from executor.reply import Reply
from planner import recorded, signals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from executor.agreement import Clusters
    from executor.recording import Question

#: Parts of a recording, and the share of its questions at which each ends.
PARTS: Final = {"fit": 0.55, "calibrate": 0.7, "test": 1.0}
_PICO_PER_MICRO: Final = 10**6


def part(question: Question) -> str:
    """Return which part a question belongs to: its name decides, so it is the same part for ever."""
    return next(name for name, end in PARTS.items() if question.place < end)


@dataclass(frozen=True)
class Item:
    """One question and what is known of it."""

    question: Question
    #: The kind of its task, as the planner sees it.
    kind: str
    #: What a program puts out, compared sign by sign.
    exact: bool
    #: Of the models that wrote anything.
    replies: Mapping[str, Reply]
    right: Mapping[str, bool]
    #: Of each model's call, in 1e-12 USD.
    costs: Mapping[str, int]

    def compared(self, models: Iterable[str]) -> Clusters:
        """Group the answers of some models, as a run does."""
        replies = [self.replies[model] for model in models if model in self.replies]
        return agreement.cluster(replies, exact=self.exact)


def models_of(folder: Path, tiers: Mapping[str, Mapping[str, float]]) -> dict[str, Model]:
    """Return the recorded models by id, as plans name them.

    Raises:
        PricesError: the folder has no usable price list.
    """
    return {
        model.id: Model(
            id=model.id,
            provider=model.provider,
            upstream=model.upstream,
            family=model.family,
            context_window=model.context_window,
            input_price=model.price.input if model.price else None,
            output_price=model.price.output if model.price else None,
            quality=model.quality["general"],
        )
        for model in recorded.models(folder, tiers)
    }


def items_of(questions: Iterable[Question], models: Mapping[str, Model]) -> list[Item]:
    """Read, grade and price every answer."""
    return [_item(question, models) for question in questions]


def _item(question: Question, models: Mapping[str, Model]) -> Item:
    seen = signals.detect(question.prompt)
    asked = {name: text for name, text in question.answers.items() if name in models}
    prompt = recording.tokens(question.prompt)
    return Item(
        question=question,
        kind=seen.kind,
        exact=seen.task == "code" and seen.checkable,
        replies={
            name: Reply(text, "stop", models[name], stage)
            for stage, (name, text) in enumerate(asked.items())
            if text.strip()
        },
        right={name: grading.right(question, text) for name, text in asked.items()},
        costs={
            name: prompt * (models[name].input_price or 0) + recording.tokens(text) * (models[name].output_price or 0)
            for name, text in asked.items()
        },
    )


def by_kind(items: Iterable[Item]) -> dict[str, list[Item]]:
    """Return items by the kind of their task, in the order in which kinds are met."""
    kinds: defaultdict[str, list[Item]] = defaultdict(list)
    for item in items:
        kinds[item.kind].append(item)
    return dict(kinds)


def provenance(folder: Path, items: Sequence[Item]) -> dict[str, Any]:
    """Return what a fitted file says of the recording that it is from."""
    counts: dict[str, dict[str, int]] = {}
    for item in items:
        row = counts.setdefault(item.kind, dict.fromkeys(PARTS, 0))
        row[part(item.question)] += 1
    return {"sha256": recording.digest(folder), "questions": counts}


def dumps(content: Mapping[str, Any]) -> str:
    """Write a fitted file: readable, and the same bytes for the same content."""
    return json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
