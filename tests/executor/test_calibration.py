"""A calibration: what it makes of who says what, what it knows nothing of, and files that are none."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor import agreement, calibration
from executor.calibration import Calibration, CalibrationError, Kind, Scale, Witness
from executor.plan import Model
from executor.reply import Reply
from executor.strategies.cascade import cascade
from executor.strategies.ensemble_moa import ensemble_moa
from executor.strategies.self_consistency import self_consistency
from executor.strategies.single import single

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from executor.conftest import Lab, World

#: Five letters, give or take.
LENGTH = (1.8, 0.5)
KIND = Kind(
    classes=(0.6, 0.4),
    witnesses={name: Witness((0.95, 0.5 - place / 10), LENGTH) for place, name in enumerate("abcd")},
    coincide=0.2,
    kin=4.0,
    types={"short": 0.0, "number": 0.0, "text": -4.0},
)
KNOWN = Calibration("cal-1", Scale(0.0, 1.0, 0.0), {"general": KIND})


def reply(name: str, text: str, family: str = "") -> Reply:
    model = Model(name, "p", name, family or name, 1000, 1, 1, 0.8)
    return Reply(text, "stop", model, ord(name))


def chances(said: Mapping[str, str], known: Calibration = KNOWN, **families: str) -> dict[str, float]:
    """Return what is said → its chance."""
    clusters = agreement.cluster([reply(name, text, families.get(name, "")) for name, text in said.items()])
    weighed = known.weigh("general", clusters)
    assert weighed.chances is not None
    return {group[0].text: chance for group, chance in zip(weighed.groups, weighed.chances, strict=True)}


def test_one_answer_is_as_likely_as_its_model_is_right() -> None:
    assert chances({"a": "Paris"})["Paris"] == pytest.approx(0.6 * 0.95 + 0.4 * 0.5, abs=0.01)


def test_agreement_makes_it_likelier_and_dissent_less_so() -> None:
    alone = chances({"a": "Paris"})["Paris"]
    assert chances({"a": "Paris", "b": "Paris"})["Paris"] > alone > chances({"a": "Paris", "b": "Rome"})["Paris"]


def test_the_likeliest_group_comes_first_and_need_not_be_the_largest() -> None:
    strong = replace(KIND, witnesses={**KIND.witnesses, "a": Witness((0.99, 0.99), LENGTH)})
    known = replace(KNOWN, kinds={"general": strong})
    found = chances({"a": "Rome", "b": "Paris", "c": "Paris"}, known)
    assert list(found) == ["Rome", "Paris"]


def test_two_of_one_family_are_not_two_witnesses() -> None:
    strangers = chances({"a": "Paris", "b": "Paris", "c": "Rome"})["Paris"]
    family = chances({"a": "Paris", "b": "Paris", "c": "Rome"}, a="gpt", b="gpt")["Paris"]
    assert family < strangers


def test_agreement_on_what_everybody_finds_easy_proves_less_than_independence_would_say() -> None:
    naive = replace(KIND, classes=(1.0 - 1e-9, 1e-9), witnesses={n: Witness((0.77, 0.77), LENGTH) for n in "abcd"})
    said = {"a": "Paris", "b": "Paris", "c": "Paris"}
    assert chances(said)["Paris"] < chances(said, replace(KNOWN, kinds={"general": naive}))["Paris"]


def test_an_answer_of_a_kind_that_is_mostly_wrong_is_unlikely() -> None:
    prose = (
        "I was thinking about towns by the river, and about trains, and then could not come to any conclusion at all"
    )
    assert chances({"a": prose})[prose] < 0.15


def test_a_long_way_to_an_answer_makes_it_less_likely_where_that_was_recorded() -> None:
    known = replace(KNOWN, scale=Scale(0.0, 1.0, -0.5))
    assert (
        chances({"a": "Paris"}, known)["Paris"]
        > chances({"a": "The answer is: " + "Paris"}, known)["The answer is: Paris"]
    )


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("other", {"a": "Paris"}),
        ("general", {"a": "Paris", "x": "Paris"}),
        ("general", {"a": '{"a": 1}'}),
        ("general", {}),
    ],
    ids=["kind of task", "model", "kind of answer", "nothing"],
)
def test_outside_of_what_was_recorded_nothing_is_said(kind: str, said: dict[str, str]) -> None:
    clusters = (
        agreement.cluster([reply(name, text) for name, text in said.items()])
        if said
        else agreement.Clusters((), None, typed=False)
    )
    assert KNOWN.weigh(kind, clusters) is clusters


def test_a_second_sample_of_one_model_is_no_witness() -> None:
    clusters = agreement.cluster([reply("a", "Paris"), replace(reply("a", "Paris"), stage=9)])
    assert KNOWN.weigh("general", clusters).chances is None


@given(st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["1", "2", "3"]), min_size=1))
def test_chances_are_chances_and_in_order(said: dict[str, str]) -> None:
    found = list(chances(said).values())
    assert found == sorted(found, reverse=True)
    assert all(0 < chance < 1 for chance in found)
    assert sum(found) <= 1 + 1e-6


def calibrated(lab: Lab, script: Any) -> World:
    world = lab.world(script)
    world.edges = replace(world.edges, calibration=KNOWN)
    return world


def test_a_cascade_stops_by_the_calibrated_chance_and_names_the_calibration(lab: Lab) -> None:
    world = calibrated(lab, {name: [lab.says("Paris")] for name in "abc"})
    plan = lab.plan("abc", strategy="cascade", kind="general", confidence_bar=0.9)
    answer = world.do(cascade(world.run(lab.task(plan))))
    assert world.asked == ["a", "b"]
    assert (answer.confidence.source, answer.confidence.calibration) == ("calibrated", "cal-1")
    assert answer.confidence.value >= 0.9
    assert answer.agreement == 1


def test_an_unknown_model_ends_the_calibration(lab: Lab) -> None:
    world = calibrated(lab, {"x": [lab.says("Paris")]})
    answer = world.do(single(world.run(lab.task(lab.plan("x", kind="general")))))
    assert (answer.confidence.source, answer.confidence.calibration) == ("prior", None)


def test_a_vote_is_won_by_chance_and_not_by_number(lab: Lab) -> None:
    strong = replace(KIND, witnesses={**KIND.witnesses, "a": Witness((0.99, 0.99), LENGTH)})
    world = lab.world({"a": [lab.says("Rome")], "b": [lab.says("Paris")], "c": [lab.says("Paris")]})
    world.edges = replace(world.edges, calibration=replace(KNOWN, kinds={"general": strong}))
    plan = lab.plan("abc", strategy="self_consistency", kind="general")
    assert world.do(self_consistency(world.run(lab.task(plan)))).text == "Rome"


def test_what_a_writer_makes_of_answers_is_not_calibrated(lab: Lab) -> None:
    script = {name: [lab.says("Paris")] for name in "ab"} | {"x": [lab.says("FINAL ANSWER:\nParis, of course")]}
    world = calibrated(lab, script)
    plan = lab.plan("ab", "x", strategy="ensemble_moa", kind="general")
    answer = world.do(ensemble_moa(world.run(lab.task(plan))))
    assert answer.text == "Paris, of course"
    assert (answer.confidence.source, answer.confidence.calibration) == ("agreement", None)


# Files


def content() -> dict[str, Any]:
    told: dict[str, Any] = {
        "version": calibration.VERSION,
        "recording": {},
        "scale": {"bias": 0.1, "evidence": 0.9, "length": -0.2},
        "kinds": {
            "general": {
                "classes": [0.6, 0.4],
                "coincide": 0.2,
                "kin": 1.5,
                "bias": 0.0,
                "types": {"short": 0.0},
                "models": {"a": {"right": [0.9, 0.5], "length": [3.0, 1.0]}},
            }
        },
    }
    return {"id": calibration.identify(told), **told}


def written(folder: Path, told: dict[str, Any]) -> Path:
    path = folder / "c.json"
    path.write_text(json.dumps({"calibration": told}))
    return path


def test_a_file_is_read_and_the_shipped_one_is_whole(tmp_path: Path) -> None:
    assert calibration.load(written(tmp_path, content())).kinds["general"].coincide == 0.2
    shipped = calibration.load()
    assert shipped.id.startswith("cal-")
    assert shipped.kinds


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    told = content()
    told["kinds"]["general"]["coincide"] = 0.3
    with pytest.raises(CalibrationError, match=r"c\.json: is damaged"):
        calibration.load(written(tmp_path, told))


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    told = {**content(), "version": 99}
    with pytest.raises(CalibrationError, match="version 99 of the format; this program reads version 1"):
        calibration.load(written(tmp_path, {**told, "id": calibration.identify(told)}))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"calibration": 3}', '{"calibration": {"version": 1}}'])
def test_what_is_no_calibration_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(CalibrationError, match="is no calibration file"):
        calibration.load(tmp_path / "c.json")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="can't be read"):
        calibration.load(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("place", "value"),
    [("classes", [2, 0.1]), ("coincide", 0), ("kin", -1), ("classes", [1.0]), ("models", [])],
)
def test_numbers_that_can_not_be_are_refused(tmp_path: Path, place: str, value: object) -> None:
    told = copy.deepcopy(content())
    told["kinds"]["general"][place] = value
    with pytest.raises(CalibrationError, match="is no calibration file"):
        calibration.load(written(tmp_path, {**told, "id": calibration.identify(told)}))
