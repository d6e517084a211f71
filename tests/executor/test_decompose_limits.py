"""What a decomposition leaves for others: the last calls, and the money, of who answers in the end."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from executor.strategies.decompose_and_route import decompose_and_route

if TYPE_CHECKING:
    from executor.conftest import Behaviour, Lab, World
    from executor.run import Run

WROTE = "All eight."
ALONE = "All of it."


def split(parts: int) -> str:
    return json.dumps({"nodes": [{"id": str(part), "task": f"do {part}"} for part in range(1, parts + 1)]})


def play(lab: Lab, parts: int, *, max_cost: int | None = None, **workers: Behaviour) -> tuple[World, Run]:
    """Let x plan and write; m, then n, then o work; a answers all alone."""
    script = {name: [lab.says(f"by {name}")] for name in "mno"} | {name: [does] for name, does in workers.items()}
    world = lab.world(script | {"x": [lab.says(split(parts)), lab.says(WROTE)], "a": [lab.says(ALONE)]})
    plan = lab.plan("a", "x", "", "decompose_and_route")
    return world, world.run(lab.task(replace(plan, routes={"general": lab.models("mno")})), max_cost=max_cost)


@pytest.mark.parametrize("reason", ["rejected", "unavailable"])
def test_parts_that_are_asked_for_again_and_again_leave_the_writer_its_call(lab: Lab, reason: str) -> None:
    failing = lab.fails(reason, transient=reason == "unavailable")
    world, run = play(lab, 8, m=failing)
    answer = world.do(decompose_and_route(run))
    assert (answer.text, answer.aggregator) == (WROTE, "x")
    assert len(run.stages) <= 16
    assert ("solve", "call_limit") in {(item.stage, item.reason) for item in run.degradations}


def test_when_no_part_is_solved_somebody_can_still_be_asked_for_all_of_it(lab: Lab) -> None:
    refuses = lab.fails("rejected")
    world, run = play(lab, 8, m=refuses, n=refuses, o=refuses)
    assert world.do(decompose_and_route(run)).text == ALONE
    assert len(run.stages) <= 16


#: Of a model that reads 42 tokens and writes 100, as each one of these parts' models may.
_CALL = 42 * 2 + 100 * 10


def test_a_budget_that_pays_no_two_parts_and_a_writer_pays_one_answer(lab: Lab) -> None:
    world, run = play(lab, 2, max_cost=3 * _CALL)
    assert world.do(decompose_and_route(run)).text == ALONE
    assert world.asked == ["a"]
    assert {(item.stage, item.reason) for item in run.degradations} == {("decompose", "budget")}


@pytest.mark.parametrize("calls", [6, 7, 8])
def test_parts_leave_the_writer_its_money(lab: Lab, calls: int) -> None:
    dear = lab.says("by m", prompt=40, completion=100)
    world, run = play(lab, 8, max_cost=calls * _CALL, m=dear, n=dear, o=dear)
    assert world.do(decompose_and_route(run)).text == WROTE
    assert ("solve", "budget") in {(item.stage, item.reason) for item in run.degradations}
