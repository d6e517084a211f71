"""Planning by recorded evidence: which numbers count, who is asked, and files that are none."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from planner import catalog, evidence, recorded
from planner.evidence import Evidence, EvidenceError, Way
from planner.plan import make_plan
from planner.policies import POLICIES
from planner.signals import detect

from .labelled import TABLE
from .requests import ask, catalog_of, ids, model

if TYPE_CHECKING:
    from pathlib import Path

    from planner.plan import Plan

STORY = "Ann has 3 apples and buys 4 more in each of 5 shops. How many apples has she got?"
KIND = "math, in a story"
MODELS = (model("cheap", 0.7, 1), model("middle", 0.8, 3), model("dear", 0.9, 9))
KNOWN = Evidence(
    "evd-1",
    {"": {"cheap": 0.6, "dear": 0.7}, KIND: {"cheap": 0.95, "dear": 0.96}},
    {
        KIND: {
            "cascade": {
                "balanced": (Way(("cheap", "dear"), 0.9), Way(("cheap", "middle"), 0.8)),
                "efficiency": (Way(("cheap", "dear"), 0.3),),
            },
            "self_consistency": {"depth": (Way(("dear", "middle", "cheap"), 0.95),)},
        }
    },
)


def planned(text: str = STORY, known: Evidence = KNOWN, **fields: Any) -> Plan:
    models = replace(catalog_of(*MODELS), evidence=known)
    return make_plan(ask(text, providers=frozenset(item.provider for item in MODELS), **fields), models)


def test_a_recorded_way_is_taken_and_the_rationale_names_its_evidence() -> None:
    plan = planned()
    assert (plan.strategy, ids(plan.proposers), plan.confidence_bar, plan.kind) == (
        "cascade",
        ["cheap", "dear"],
        0.9,
        KIND,
    )
    assert "recorded to pay on math, in a story, up to a confidence of 0.9 (evd-1)" in plan.rationale


def test_the_bar_is_never_below_the_policys() -> None:
    assert planned(policy="efficiency").confidence_bar == POLICIES["efficiency"].bar


@pytest.mark.parametrize("gone", [{"barred": frozenset({"dear"})}, {"unhealthy": frozenset({"dear"})}])
def test_without_one_of_its_models_the_next_way_is_taken(gone: dict[str, Any]) -> None:
    assert ids(planned(**gone).proposers) == ["cheap", "middle"]


def test_without_any_way_the_general_rules_hold_with_recorded_qualities() -> None:
    plan = planned(barred=frozenset({"middle", "dear"}))
    assert ids(plan.proposers) == ["cheap"]
    assert plan.confidence_bar == POLICIES["balanced"].bar
    assert plan.proposers[0].quality["math"] == 0.95
    assert plan.proposers[0].quality["code"] == 0.6


def test_a_model_that_was_not_recorded_keeps_its_tiers_prior() -> None:
    plan = planned(strategy="single", barred=frozenset({"cheap", "dear"}))
    assert plan.proposers[0].quality["math"] == 0.8


def test_under_depth_samples_are_of_the_recorded_models() -> None:
    plan = planned(policy="depth")
    assert (plan.strategy, ids(plan.proposers), plan.k) == ("self_consistency", ["dear", "middle", "cheap"], 3)
    assert plan.confidence_bar == 0.95
    assert ids(planned(policy="depth", k=2).proposers) == ["dear", "middle"]


def test_a_kind_of_task_that_was_not_recorded_is_planned_as_ever() -> None:
    plan = planned("Which planet is largest?\nA. Mars\nB. Jupiter\nC. Venus")
    assert plan.kind == "factual, short answer"
    assert "recorded" not in plan.rationale


def test_a_budget_that_does_not_pay_the_first_of_a_way_leaves_it() -> None:
    assert "recorded" not in planned(max_cost=1).rationale


def test_shipped_evidence_changes_no_plan_of_the_shipped_models(shipped: catalog.Catalog) -> None:
    known = catalog.load(evidence.load())
    for row in TABLE:
        for policy in POLICIES:
            request = ask(row.prompt, policy=policy)
            assert make_plan(request, known) == make_plan(request, shipped)


FORMS = [
    "{}",
    '{}\n\nReason first, then give your final answer. Reply with JSON: {{"explanation": "…", "answer": "…"}}',
    (
        "Solve the task below. Think about it and then write your final answer in JSON.\n\n{}\n\n```json\n"
        '{{\n  "steps": "___",\n  "final_answer": "___"\n}}\n```'
    ),
    "{}\nPlease put your reasoning and then your answer into this: {{'answer': 42}}",
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("question", "kind"),
    [
        (STORY, "math, in a story"),
        ("Tom pays $3.50 for tea and $2 for a bun every day. How much does he spend in a week?", "math, in a story"),
        ("Find the number of positive integers $n \\le 100$ such that $n^2 + 1$ is divisible by 5.", "math, formal"),
        ("What is the remainder when the integer 7^100 is divided by the prime 13?", "math, formal"),
        (
            "Given this function, what is the output?\n\ndef f(x):\n    return x[::-1]\n\nprint(f('ab'))",
            "code, its output",
        ),
    ],
)
def test_the_kind_of_a_task_is_seen_through_the_form_of_its_answer(form: str, question: str, kind: str) -> None:
    seen = detect(form.format(question))
    assert seen.kind == kind
    assert not seen.compound


def test_a_form_makes_no_checkable_answer_of_what_is_written() -> None:
    seen = detect('Write a poem about the sea. Reply with JSON: {"title": "…", "answer": "…"}')
    assert (seen.task, seen.checkable) == ("creative", False)


# Files


def content() -> dict[str, Any]:
    told: dict[str, Any] = {
        "version": evidence.VERSION,
        "kinds": {
            "": {"models": {"m": {"quality": 0.5}}},
            KIND: {
                "models": {"m": {"quality": 0.75}},
                "ways": {"cascade": {"balanced": [{"models": ["m"], "bar": 0.9}]}},
            },
        },
    }
    return {"id": evidence.identify(told), **told}


def written(folder: Path, told: object) -> Path:
    path = folder / "e.json"
    path.write_text(json.dumps({"planning": told}))
    return path


def test_a_file_is_read(tmp_path: Path) -> None:
    known = evidence.load(written(tmp_path, content()))
    assert (known.quality("m", KIND), known.quality("m", "")) == (0.75, 0.5)
    assert known.way(KIND, "cascade", "balanced", frozenset({"m"})) == Way(("m",), 0.9)
    assert evidence.load().id.startswith("evd-")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    told = content()
    told["kinds"][""]["models"]["m"]["quality"] = 0.6
    with pytest.raises(EvidenceError, match=r"e\.json: is damaged"):
        evidence.load(written(tmp_path, told))


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    told = {**content(), "version": 2}
    with pytest.raises(EvidenceError, match="version 2 of the format; this program reads version 1"):
        evidence.load(written(tmp_path, {**told, "id": evidence.identify(told)}))


@pytest.mark.parametrize("told", [None, 3, {}, {"version": 1}])
def test_what_is_no_evidence_is_refused(tmp_path: Path, told: object) -> None:
    with pytest.raises(EvidenceError, match="is no evidence file"):
        evidence.load(written(tmp_path, told))
    with pytest.raises(EvidenceError, match="can't be read"):
        evidence.load(tmp_path / "none")


def test_a_quality_that_is_no_chance_is_refused(tmp_path: Path) -> None:
    told = content()
    told["kinds"][KIND]["models"]["m"]["quality"] = 1.5
    with pytest.raises(EvidenceError, match="is no evidence file"):
        evidence.load(written(tmp_path, {**told, "id": evidence.identify(told)}))


def test_recorded_models_come_with_their_prices_and_a_tier(tmp_path: Path, shipped: catalog.Catalog) -> None:
    prices = {
        "Meta-Llama-9": {"input_usd_per_mtok": 1, "output_usd_per_mtok": 1},
        "o9": {"input_usd_per_mtok": 5, "output_usd_per_mtok": 40},
    }
    (tmp_path / "prices.json").write_text(json.dumps(prices))
    models = recorded.add(shipped, tmp_path).available(frozenset({"replay"}), ())
    assert [(item.id, item.tier, item.family, item.provider) for item in models] == [
        ("Meta-Llama-9", "fast", "llama", "replay"),
        ("o9", "frontier", "o", "replay"),
    ]
    assert models[1].price is not None
    assert (models[1].price.input, models[1].price.output) == (5_000_000, 40_000_000)
