"""Recordings: what can't be read is named by file and line, and every question has its part for ever."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation import fitting
from evaluation.__main__ import read
from evaluation.evidence import PARTS, part
from executor import recording
from executor.recording import Question, RecordingError
from planner.recorded import PricesError
from recordings import line, record, reply

if TYPE_CHECKING:
    from pathlib import Path

GOOD = json.dumps(line(1, {"a": reply(42)}))


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("{", "is no JSON"),
        ("[1]", "must be an object"),
        ('{"id": 1, "task": "t", "prompt": "p", "answers": {}}', "has no gold"),
        ('{"id": 1, "task": "t", "prompt": "p", "gold": "1", "answers": {"a": 3}}', "must map a model to its text"),
        ('{"id": 1, "task": "t", "prompt": 3, "gold": "1", "answers": {}}', "prompt and task must be texts"),
        ("[" * 100_000, "line 2"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, bad: str, why: str) -> None:
    (tmp_path / "x.jsonl").write_text(f"{GOOD}\n{bad}\n{GOOD}\n")
    with pytest.raises(RecordingError, match=r"x\.jsonl, line 2: ") as caught:
        recording.read(tmp_path)
    assert why in str(caught.value)


def test_a_file_that_breaks_off_is_named(tmp_path: Path) -> None:
    packed = gzip.compress("".join(f"{GOOD}\n" for _ in range(2000)).encode())
    (tmp_path / "x.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(RecordingError, match=r"x\.jsonl\.gz: can't be read behind line \d+"):
        recording.read(tmp_path)


def test_a_folder_without_answers_or_prices_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PricesError, match=r"prices\.json: can't be read"):
        read(tmp_path)
    (tmp_path / "prices.json").write_text("{}")
    with pytest.raises(RecordingError, match="holds no recorded answers"):
        read(tmp_path)
    (tmp_path / "prices.json").write_text('{"m": 3}')
    with pytest.raises(PricesError, match="must map each model"):
        read(tmp_path)


def test_packed_and_plain_lines_are_the_same(tmp_path: Path) -> None:
    record(tmp_path / "plain", 5)
    (tmp_path / "packed").mkdir()
    content = (tmp_path / "plain/stories.jsonl").read_bytes()
    (tmp_path / "packed/stories.jsonl.gz").write_bytes(gzip.compress(content))
    assert recording.read(tmp_path / "plain") == recording.read(tmp_path / "packed")


@given(st.lists(st.text(max_size=8), unique=True, max_size=40), st.randoms())
def test_a_questions_part_depends_on_its_name_alone(names: list[str], dice: object) -> None:
    del dice
    questions = [Question(name, "t", name, "1", {}) for name in names]
    parts = [part(question) for question in questions]
    assert parts == [part(Question(name, "t", "other", "2", {"a": "b"})) for name in names]
    assert set(parts) <= set(PARTS)


def test_parts_are_as_large_as_they_should_be() -> None:
    counts = Counter(part(Question(str(number), "t", "", "", {})) for number in range(4000))
    assert counts["fit"] / 4000 == pytest.approx(0.55, abs=0.03)
    assert counts["test"] / 4000 == pytest.approx(0.30, abs=0.03)


def test_no_question_is_tested_that_was_fitted_to(tmp_path: Path) -> None:
    items = read(record(tmp_path / "one", 200))
    names = set(fitting.fit(tmp_path / "one", items).names)
    tested = [item for item in items if fitting.name_of(item.question) not in names]
    assert {part(item.question) for item in tested} == {"test"}
    assert len(names) + len(tested) == len(items)
    # Also not when it comes back in another recording, under another name.
    assert fitting.name_of(Question("else", "else", items[0].question.prompt, "", {})) == fitting.name_of(
        items[0].question
    )
