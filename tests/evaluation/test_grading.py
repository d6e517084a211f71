"""Grading, by its rules and by the figures that were published with the recording."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evaluation import evidence, grading
from executor import recording
from executor.recording import Question
from planner import catalog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evaluation.evidence import Item

ROOT = Path(__file__).parents[2]
RECORDED = Path(os.environ.get("OPENPRYSM_RECORDINGS") or ROOT.parent / "shared/data/zeroeval")
needs_recordings = pytest.mark.skipif(not RECORDED.is_dir(), reason="no recorded answers are here")
TRIO = ("gemini-1.5-flash", "deepseek-v2.5-0908", "gpt-4o-mini-2024-07-18")


def asked(gold: str, task: str = "gsm") -> Question:
    return Question("1", task, "?", gold, {})


@pytest.mark.parametrize(
    ("task", "gold", "text", "right"),
    [
        ("gsm", "# 1,875", '{"answer": "$1875"}', True),
        ("gsm", "3", '```json\n{"reasoning": "x", "answer": "3 bolts"}\n```', True),
        ("gsm", "3", "It is 3.", False),
        ("gsm", "3", '{"reasoning": "4", "answer": 3}', True),
        ("gsm", "3", '{"reasoning": "\\frac", "answer": "3"', True),
        ("gsm", "3", "thus \\boxed{3}", True),
        ("gsm", "3", '{"answer": "4"} {"answer": "3"}', False),
        ("math-l5", "0.5", '{"answer": "1/2"}', True),
        ("math-l5", "-7", '{"answer": "-7"}', True),
        ("math-l5", "-7", '{"answer": "7"}', False),
        ("math-l5", "5", '{"answer": ""}', False),
        ("crux", "'a b'", '{"answer": "a b"}', True),
        ("crux", "'a b'", '{"answer": "\'a b\'"}', True),
        ("crux", "'a b'", '{"answer": "A b"}', False),
        ("crux", "'a\\nb'", '{"answer": "a\\nb"}', True),
        ("crux", "[1, 2]", '{"answer": [1, 2]}', True),
        ("other", "B", '{"answer": "B"}', True),
        ("gsm", "3", "", False),
    ],
)
def test_a_text_is_graded_by_its_first_object(task: str, gold: str, text: str, right: bool) -> None:
    assert grading.right(asked(gold, task), text) is right


@pytest.fixture(scope="module")
def published() -> dict[str, list[Item]]:
    models = evidence.models_of(RECORDED, catalog.load().tiers)
    items = evidence.items_of(recording.read(RECORDED), models)
    return {task: [item for item in items if item.question.task == task] for task in ("gsm", "math-l5", "crux")}


def stated(item: Item, model: str) -> object:
    found = grading.stated(item.question.answers[model])
    if found is None:
        return None
    return found.strip("\"'") if item.question.task == "crux" else grading.number(found)


def share(hits: Sequence[bool]) -> float:
    return round(100 * sum(hits) / len(hits), 2)


def voted(item: Item, models: Sequence[str]) -> bool:
    said = {model: stated(item, model) for model in models}
    most = Counter(value for value in said.values() if value is not None).most_common(1)
    return bool(most) and item.right[next(model for model in models if said[model] == most[0][0])]


@needs_recordings
@pytest.mark.parametrize(
    ("task", "best", "oracle", "trio", "cost"),
    [("gsm", 96.65, 99.01, 96.77, 24), ("math-l5", 89.62, 95.28, 87.97, 97), ("crux", 95.16, 99.34, 94.95, 60)],
)
def test_the_published_baselines_are_reproduced(
    published: dict[str, list[Item]], task: str, best: float, oracle: float, trio: float, cost: int
) -> None:
    items = published[task]
    strongest = max(items[0].right, key=lambda model: sum(item.right[model] for item in items))
    assert share([item.right[strongest] for item in items]) == pytest.approx(best, abs=0.011)
    assert share([any(item.right.values()) for item in items]) == pytest.approx(oracle, abs=0.011)
    agree = [len({stated(item, model) for model in TRIO}) == 1 for item in items]
    hits = [item.right[TRIO[0] if same else strongest] for item, same in zip(items, agree, strict=True)]
    assert share(hits) == pytest.approx(trio, abs=0.011)
    spent = sum(
        sum(item.costs[model] for model in TRIO) + (0 if same else item.costs[strongest])
        for item, same in zip(items, agree, strict=True)
    )
    assert round(100 * spent / sum(item.costs[strongest] for item in items)) == cost


@needs_recordings
@pytest.mark.parametrize(("task", "expected"), [("gsm", 97.15), ("math-l5", 86.08), ("crux", 95.60)])
def test_the_published_votes_of_three_are_reproduced(
    published: dict[str, list[Item]], task: str, expected: float
) -> None:
    items = published[task]
    ranked = sorted(items[0].right, key=lambda model: -sum(item.right[model] for item in items))
    # Which of two answers of one vote each counts, and what an empty answer says, was not published: half a point.
    assert share([voted(item, ranked[:3]) for item in items]) == pytest.approx(expected, abs=0.5)


def test_prices_are_read_as_picodollars_a_token(tmp_path: Path) -> None:
    (tmp_path / "prices.json").write_text(json.dumps({"m": {"input_usd_per_mtok": 0.15, "output_usd_per_mtok": 0.6}}))
    model = evidence.models_of(tmp_path, catalog.load().tiers)["m"]
    assert (model.input_price, model.output_price) == (150_000, 600_000)
