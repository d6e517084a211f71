"""Recorded answers: a folder of JSON lines, each a question and what every model answered to it.

One file a task set, `*.jsonl` or `*.jsonl.gz`, an object a line: `id`, `task`, `prompt`, `gold`, and `answers`, from
model to the whole text that it wrote. `prices.json`: model → `input_usd_per_mtok`, `output_usd_per_mtok`.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

#: Characters a token: no recording counts tokens, and for all texts the same is wrong by the same.
_TOKEN_CHARS: Final = 4


class RecordingError(ValueError):
    """A recording can't be read; the message names file and line."""


@dataclass(frozen=True)
class Question:
    """One recorded question."""

    id: str
    task: str
    prompt: str
    gold: str
    #: Model → its whole text; empty when it wrote none.
    answers: Mapping[str, str]

    @property
    def place(self) -> float:
        """A number in 0..1 that only the question's name decides: what splits are made by."""
        digest = hashlib.sha256(f"{self.task}:{self.id}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64


def tokens(text: str) -> int:
    """Estimate the tokens of a recorded text: 4 characters a token."""
    return -(-len(text) // _TOKEN_CHARS)


def read(folder: Path) -> tuple[Question, ...]:
    """Read a folder's questions, file by file.

    Raises:
        RecordingError: there is none, or a line is none.
    """
    paths = sorted([*folder.glob("*.jsonl"), *folder.glob("*.jsonl.gz")])
    questions = [question for path in paths for question in _file(path)]
    if not questions:
        raise RecordingError(f"{folder}: holds no recorded answers (*.jsonl, *.jsonl.gz)")
    return tuple(questions)


def digest(folder: Path) -> str:
    """Return the SHA-256 of a folder's recordings: of names and content of its files, in order."""
    told = hashlib.sha256()
    for path in sorted([*folder.glob("*.jsonl"), *folder.glob("*.jsonl.gz"), *folder.glob("prices.json")]):
        told.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return told.hexdigest()


def _file(path: Path) -> Iterator[Question]:
    number = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            for line in lines:
                number += 1
                if line.strip():
                    yield _question(json.loads(line))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise RecordingError(f"{path.name}: can't be read behind line {number}") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        why = f"is no JSON: {error.msg}" if isinstance(error, json.JSONDecodeError) else str(error).strip("'\"")
        raise RecordingError(f"{path.name}, line {number}: {why}") from error


def _question(told: Any) -> Question:
    if not isinstance(told, dict):
        raise TypeError("must be an object")
    missing = [name for name in ("id", "task", "prompt", "gold", "answers") if name not in told]
    if missing:
        raise ValueError(f"has no {', no '.join(missing)}")
    answers = told["answers"]
    if not isinstance(answers, dict) or not all(isinstance(text, str) for text in answers.values()):
        raise TypeError("answers must map a model to its text")
    if not isinstance(told["prompt"], str) or not isinstance(told["task"], str):
        raise TypeError("prompt and task must be texts")
    return Question(str(told["id"]), told["task"], told["prompt"], str(told["gold"]), answers)
