"""Which shape a prompt gets under which policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from planner import shapes
from planner.plan import make_plan
from planner.policies import POLICIES
from planner.signals import Signals

from .labelled import TABLE, Labelled
from .requests import ask

if TYPE_CHECKING:
    from planner.catalog import Catalog


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.prompt)
def test_a_prompt_gets_the_shape_that_a_person_expects(shipped: Catalog, row: Labelled) -> None:
    assert {policy: make_plan(ask(row.prompt, policy=policy), shipped).strategy for policy in POLICIES} == row.shapes


def test_the_table_shows_every_shape() -> None:
    assert {shape for row in TABLE for shape in row.shapes.values()} == set(shapes.STRATEGIES)


def signals(*flags: str) -> Signals:
    names = ("trivial", "compound", "checkable", "contested", "open", "code", "long")
    return Signals(task="general", language="", **{name: name in flags for name in names})


@pytest.mark.parametrize(
    ("flags", "efficiency", "balanced", "depth"),
    [
        (("trivial",), "single", "single", "single"),
        (("compound",), "decompose_and_route", "decompose_and_route", "decompose_and_route"),
        (("checkable",), "cascade", "cascade", "self_consistency"),
        (("contested",), "cascade", "rank_fuse", "debate"),
        (("open",), "cascade", "rank_fuse", "ensemble_moa"),
        ((), "cascade", "cascade", "ensemble_moa"),
        # The one further up decides.
        (("trivial", "checkable"), "single", "single", "single"),
        (("compound", "contested"), "decompose_and_route", "decompose_and_route", "decompose_and_route"),
        (("checkable", "contested"), "cascade", "cascade", "self_consistency"),
        # These say nothing about the shape.
        (("code", "long"), "cascade", "cascade", "ensemble_moa"),
    ],
)
def test_the_first_rule_that_holds_decides(flags: tuple[str, ...], efficiency: str, balanced: str, depth: str) -> None:
    chosen = [shapes.choose(policy, signals(*flags))[0] for policy in ("efficiency", "balanced", "depth")]
    assert chosen == [efficiency, balanced, depth]


def test_the_reason_says_what_was_seen_and_what_the_shape_does() -> None:
    strategy, why = shapes.choose("balanced", signals("contested"))
    assert strategy == "rank_fuse"
    assert why == "people of good will disagree about it, so candidates are compared in pairs and the best are fused"
