"""Recorded answers through the real suite: gateway, planner, executor, proof, and evidence of the operator's own."""

from __future__ import annotations

import base64
import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from evaluation.__main__ import read
from evaluation.evidence import part
from recordings import record
from system.suite import OPENPRYSM, Suite, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from evaluation.evidence import Item

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("recording"), 200)


@pytest.fixture(scope="module")
def evidence(folder: Path) -> Path:
    """What `openprysm calibrate` writes."""
    told = subprocess.run(
        [OPENPRYSM, "calibrate", str(folder), "--out", str(folder / "own.json")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert "math, in a story: " in told.stdout
    return folder / "own.json"


@pytest.fixture(scope="module")
def replaying(folder: Path, evidence: Path) -> Iterator[Suite]:
    with serving({"OPENPRYSM_REPLAY": str(folder), "OPENPRYSM_EVIDENCE": str(evidence)}) as running:
        yield running


@pytest.fixture(scope="module")
def item(folder: Path) -> Item:
    return next(item for item in read(folder) if part(item.question) == "test")


async def test_a_recorded_question_is_planned_by_evidence_and_answered_as_recorded(
    replaying: Suite, item: Item
) -> None:
    body = await replaying.ask(item.question.prompt)
    told = body["prysm"]["orchestration"]
    assert body["choices"][0]["message"]["content"] in item.question.answers.values()
    assert "recorded to pay on math, in a story" in body["rationale"]
    assert told["confidence_source"] == "calibrated"
    assert told["calibration_id"].startswith("cal-")
    spent = sum(item.costs[stage["model"]] for stage in body["prysm"]["stages"])
    assert round(body["prysm"]["cost"]["total_usd"] * 1e12) == spent


async def test_the_proof_says_which_calibration_spoke(replaying: Suite, item: Item) -> None:
    body = await replaying.ask(item.question.prompt)
    status, kept = await replaying.get(body["prysm"]["proof"]["verify_url"])
    assert status == 200
    statement = json.loads(base64.b64decode(kept["proof"]["dsseEnvelope"]["payload"]))
    assert statement["predicate"]["calibration_id"] == body["prysm"]["orchestration"]["calibration_id"]


async def test_what_was_not_recorded_degrades_as_a_failing_provider_does(replaying: Suite, item: Item) -> None:
    body = await replaying.ask(item.question.prompt, strategy="ensemble_moa", policy="depth")
    told = body["prysm"]["orchestration"]
    assert told["degraded"]
    assert {"rejected"} == {entry["reason"] for entry in told["degradations"] if entry["stage"] == "aggregate"}
    assert body["choices"][0]["message"]["content"] in item.question.answers.values()


@pytest.mark.parametrize(("setting", "content"), [("OPENPRYSM_EVIDENCE", "{}"), ("OPENPRYSM_REPLAY", "")])
def test_a_file_that_can_not_be_used_stops_the_start_with_its_name(tmp_path: Path, setting: str, content: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content)
    with pytest.raises(AssertionError, match=r"bad\.json"), serving({setting: str(path)}):
        pass
