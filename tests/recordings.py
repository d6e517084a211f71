"""A recording whose truth is known: word problems, models that are right as often as they are told to be."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: Model → chance of a right answer to an easy question, and to a hard one.
CHANCES = {"tiny-1": (0.8, 0.2), "small-1": (0.9, 0.35), "small-2": (0.9, 0.35), "large-1": (0.98, 0.9)}
PRICES = {"tiny-1": 0.1, "small-1": 0.2, "small-2": 0.25, "large-1": 12.0}


def line(number: int, answers: Mapping[str, str], gold: str = "42", task: str = "stories") -> dict[str, Any]:
    """Return one question of a word problem."""
    prompt = (
        f"Ann has {number} apples and buys {number + 3} more in each of 5 shops. How many apples has she got?\n\n"
        'Reason first. Then reply with JSON: {"reasoning": "...", "answer": "..."}'
    )
    return {"id": f"q{number}", "task": task, "prompt": prompt, "gold": gold, "answers": dict(answers)}


def reply(answer: object, effort: int = 10) -> str:
    """Return a model's text."""
    return json.dumps({"reasoning": "so " * effort, "answer": str(answer)})


def record(folder: Path, count: int = 600, seed: int = 1, chances: Mapping[str, tuple[float, float]] = CHANCES) -> Path:
    """Write a recording of `count` questions, half of them hard; wrong answers coincide one time in five."""
    dice = Random(seed)  # noqa: S311 - a test's dice
    rows = []
    for number in range(count):
        hard = dice.random() < 0.5
        answers = {}
        for model, levels in chances.items():
            right = dice.random() < levels[hard]
            wrong = 7 if dice.random() < 0.45 else 1000 + dice.randrange(10**6)
            answers[model] = reply(42 if right else wrong, effort=dice.randint(10, 20) + (3 if hard else 0))
        rows.append(line(number, answers))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stories.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    prices = {
        name: {"input_usd_per_mtok": PRICES.get(name, 1.0) / 4, "output_usd_per_mtok": PRICES.get(name, 1.0)}
        for name in chances
    }
    (folder / "prices.json").write_text(json.dumps(prices))
    return folder
