"""The whole way: recording, planner, executor, results.json, tables, pictures."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from evaluation import fitting, plots
from evaluation.__main__ import read
from evaluation.evidence import dumps, part
from evaluation.replaying import AUTO, POLICIES, SHAPES, Player
from evaluation.report import ReportError, insert, tables
from evaluation.results import results
from executor import calibration
from planner import catalog, evidence, recorded
from recordings import record

if TYPE_CHECKING:
    from pathlib import Path

    from evaluation.evidence import Item
    from evaluation.replaying import Row


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Item], list[Row]]:
    folder = record(tmp_path_factory.mktemp("recording"), 300)
    items = read(folder)
    found = fitting.fit(folder, items)
    path = folder / "file"
    path.write_text(dumps({"planning": found.planning, "calibration": found.calibration}))
    tested = [item for item in items if part(item.question) == "test"]
    player = Player(tested, recorded.add(catalog.load(evidence.load(path)), folder), calibration.load(path))

    async def play() -> list[Row]:
        return [await player.play(item, policy, shape) for policy in POLICIES for shape in SHAPES for item in tested]

    return tested, asyncio.run(play())


@pytest.fixture(scope="module")
def found(played: tuple[list[Item], list[Row]]) -> dict[str, Any]:
    return results(*played, {"recording": "0" * 64, "fitted": {"evidence": "evd-1", "calibration": "cal-1"}})


def test_results_have_the_agreed_shape(found: dict[str, Any], played: tuple[list[Item], list[Row]]) -> None:
    count = len(played[0])
    assert json.loads(json.dumps(found)) == found
    for cells in (found["tasks"]["stories"], found["pooled"]):
        assert set(cells) == set(POLICIES)
        for shapes in cells.values():
            assert set(shapes) == set(SHAPES)
            for cell in shapes.values():
                assert cell.keys() >= {
                    "n", "accuracy", "accuracy_ci", "cost_usd", "cost_vs_best_single", "calls", "escalated",
                }  # fmt: skip
                assert cell["n"] == count
                assert 0 <= cell["accuracy_ci"][0] <= cell["accuracy"] <= cell["accuracy_ci"][1] <= 1
                assert cell["calls"] >= 1
    for told in found["confidence"].values():
        assert told.keys() >= {"auroc", "ece", "brier", "n"}
    assert found["confidence"]["pooled"]["n"] == 3 * count
    for baselines in found["baselines"].values():
        assert set(baselines) == {"best_single", "cheapest", "random", "vote_all", "oracle"}
        assert all(row.keys() == {"model", "accuracy", "cost_usd"} for row in baselines.values())
        assert (
            baselines["oracle"]["accuracy"] >= baselines["best_single"]["accuracy"] >= baselines["random"]["accuracy"]
        )
    assert found["baselines"]["pooled"]["best_single"]["model"] == "large-1"
    assert found["baselines"]["pooled"]["cheapest"]["model"] == "tiny-1"


def test_what_could_not_be_replayed_is_said(found: dict[str, Any]) -> None:
    assert found["evaluated"]["cascade"] == found["evaluated"]["single"] == "as it is"
    assert "not recorded" in found["evaluated"]["ensemble_moa"]
    assert found["pooled"]["balanced"]["ensemble_moa"]["unrecorded"] > 0


def test_a_request_costs_what_its_recorded_calls_cost(played: tuple[list[Item], list[Row]]) -> None:
    items, rows = played
    singles = [row for row in rows if row.policy == "depth" and row.shape == "single"]
    for item, row in zip(items, singles, strict=True):
        assert round(row.cost * 1e12) in item.costs.values()
        assert (row.calls, row.escalated, row.unrecorded) == (1, False, False)


def test_planned_answers_are_calibrated(played: tuple[list[Item], list[Row]]) -> None:
    assert all(row.calibrated for row in played[1] if row.shape == AUTO)


def test_tables_go_between_their_marks(found: dict[str, Any], tmp_path: Path) -> None:
    document = tmp_path / "d.md"
    document.write_text(
        "before\n<!-- written by make eval: begin -->\nold\n<!-- written by make eval: end -->\nafter\n"
    )
    insert(document, tables(found))
    text = document.read_text()
    assert text.startswith("before\n<!--")
    assert text.endswith("-->\nafter\n")
    assert "old" not in text
    assert "| pooled | `balanced` |" in text
    document.write_text("no marks")
    with pytest.raises(ReportError, match="has no marks"):
        insert(document, "x")


def test_pictures_are_drawn(found: dict[str, Any], played: tuple[list[Item], list[Row]], tmp_path: Path) -> None:
    plots.draw(tmp_path, *played, found)
    for name in ("cost-accuracy.png", "reliability.png", "risk-coverage.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
