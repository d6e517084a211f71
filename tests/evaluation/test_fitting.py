"""Fitting to a recording whose truth is known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from evaluation import calibrating, classes, fitting, measures
from evaluation.__main__ import read
from evaluation.evidence import PARTS, dumps, part
from executor.calibration import Calibration
from planner import evidence
from planner.policies import POLICIES
from recordings import CHANCES, record

if TYPE_CHECKING:
    from pathlib import Path

    from evaluation.evidence import Item
    from executor import calibration

STORY = "math, in a story"


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> list[Item]:
    return read(record(tmp_path_factory.mktemp("recording"), 900))


@pytest.fixture(scope="module")
def fitted(items: list[Item], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = record(tmp_path_factory.mktemp("again"), 900)
    found = fitting.fit(folder, items)
    path = folder / "file.json"
    path.write_text(dumps({"planning": found.planning, "calibration": found.calibration}))
    return path


def test_the_kind_of_the_questions_is_recognised(items: list[Item]) -> None:
    assert {item.kind for item in items} == {STORY}


def test_qualities_are_how_often_models_were_right(fitted: Path) -> None:
    known = evidence.load(fitted)
    for model, (easy, hard) in CHANCES.items():
        assert known.quality(model, STORY) == pytest.approx((easy + hard) / 2, abs=0.05)
    assert known.quality("unheard-of", STORY) is None


def test_classes_find_easy_and_hard_questions_again() -> None:
    dice = np.random.default_rng(5)
    truth = np.array([[0.95, 0.9, 0.97, 0.92, 0.9], [0.2, 0.3, 0.4, 0.25, 0.7]])
    hard = (dice.random(3000) < 0.4).astype(int)
    right = (dice.random((3000, 5)) < truth[hard]).astype(float)
    found = classes.fit(right, np.ones_like(right), classes=2)
    assert found.shares == pytest.approx([0.6, 0.4], abs=0.04)
    assert found.right == pytest.approx(truth, abs=0.05)


def test_chances_are_calibrated_on_questions_that_nothing_was_fitted_to(tmp_path: Path) -> None:
    parts = {name: [] for name in PARTS}  # type: dict[str, list[Item]]
    for item in read(record(tmp_path, 4000)):
        parts[part(item.question)].append(item)
    kinds, scale = calibrating.scaled(calibrating.kinds_of(parts["fit"]), parts["calibrate"])
    known, tested = Calibration("", scale, kinds), parts["test"]
    for models in (["tiny-1"], ["small-1", "small-2"], list(CHANCES)):
        weighed = [known.weigh(item.kind, item.compared(models)) for item in tested]
        chances = np.array([clusters.chances[0] for clusters in weighed if clusters.chances])
        right = np.array([item.right[found.groups[0][0].model.id] for item, found in zip(tested, weighed, strict=True)])
        assert measures.ece(chances, right.astype(float)) < 0.07
        assert abs(chances.mean() - right.mean()) < 0.05


def test_a_kind_that_is_worse_than_its_classes_say_gets_a_bias(items: list[Item]) -> None:
    kinds = calibrating.kinds_of([item for item in items if part(item.question) == "fit"])
    held = [item for item in items if part(item.question) == "calibrate"]
    honest, scale = calibrating.scaled(kinds, held)
    assert abs(honest[STORY].bias) < 0.3
    assert 0.6 < scale.evidence < 1.4

    def overrated(kind: calibration.Kind) -> Calibration:
        return Calibration("", scale, {STORY: kind})

    chance = [
        np.mean([(overrated(kind).weigh(STORY, item.compared(["tiny-1"])).chances or (0,))[0] for item in held])
        for kind in (kinds[STORY], honest[STORY])
    ]
    truth = np.mean([item.right["tiny-1"] for item in held])
    assert abs(chance[1] - truth) <= abs(chance[0] - truth) + 0.02


def test_dearer_policies_spend_more_and_are_right_more_often(fitted: Path) -> None:
    ways = json.loads(fitted.read_text())["planning"]["kinds"][STORY]["ways"]["cascade"]
    best = [ways[policy][0] for policy in ("efficiency", "balanced", "depth")]
    assert best[0]["cost"] <= best[1]["cost"] <= best[2]["cost"]
    assert best[0]["accuracy"] <= best[1]["accuracy"] + 0.01 <= best[2]["accuracy"] + 0.02
    assert best[0]["cost"] < 0.36
    assert best[1]["cost"] < 0.75
    for policy, bar in ((policy, POLICIES[policy].bar) for policy in POLICIES):
        assert all(way["bar"] >= bar for way in ways[policy])


def test_every_way_has_stand_ins_for_each_of_its_models(fitted: Path) -> None:
    known = evidence.load(fitted)
    way = known.way(STORY, "cascade", "balanced", frozenset(CHANCES))
    assert way is not None
    for gone in way.models:
        other = known.way(STORY, "cascade", "balanced", frozenset(CHANCES) - {gone})
        assert other is not None
        assert gone not in other.models


def test_too_few_questions_teach_nothing_but_qualities(tmp_path: Path) -> None:
    items = read(record(tmp_path, 20))
    found = fitting.fit(tmp_path, items)
    assert found.calibration["kinds"] == {}
    assert "ways" not in found.planning["kinds"][STORY]


def test_the_same_recording_gives_the_same_files(items: list[Item], tmp_path: Path) -> None:
    folder = record(tmp_path, 300)
    assert fitting.fit(folder, items[:300]) == fitting.fit(folder, items[:300])


def test_measures_of_a_perfect_and_of_a_useless_source() -> None:
    right = np.array([1.0, 1.0, 0.0, 0.0])
    sure, flat = np.array([0.9, 0.8, 0.2, 0.1]), np.full(4, 0.5)
    assert measures.auroc(sure, right) == 1
    assert measures.auroc(flat, right) == 0.5
    assert measures.auroc(flat, np.ones(4)) is None
    assert measures.ece(flat, right) == 0
    assert measures.ece(np.full(4, 0.95), right) == pytest.approx(0.45)
    assert measures.brier(flat, right) == 0.25
    assert list(measures.risks(sure, right)[1]) == pytest.approx([0, 0, 1 / 3, 1 / 2])
    low, high = measures.interval(right)
    assert low <= 0.5 <= high
