"""An orchestration's life, between a scripted planner, scripted models and a scripted notary."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from executor.orchestrate import (
    Chance,
    DeadlineError,
    NoProviderError,
    Offer,
    Orchestrator,
    Outcome,
    Request,
    Result,
    Signed,
    UnknownStrategyError,
    execute,
)
from executor.reply import AllFailedError

if TYPE_CHECKING:
    from executor.conftest import Lab, Script, World
    from executor.plan import Plan
    from executor.transcript import Transcript

SIGNED = Signed("sha256:" + "0" * 64, "SHA256:key", b"{}")


class Office:
    """Plans what it was told to, signs what it is given, and keeps what it saw."""

    def __init__(self, plan: Plan, takes_s: float = 0.0) -> None:
        self._plan = plan
        self._takes_s = takes_s
        self.offers: list[Offer] = []
        self.time_left: list[float] = []
        self.signed: list[tuple[str, int, Outcome, Transcript]] = []

    async def plan(self, _request: Request, offer: Offer, timeout_s: float) -> Plan:
        self.offers.append(offer)
        self.time_left.append(timeout_s)
        await asyncio.sleep(self._takes_s)
        return self._plan

    async def sign(
        self, request_id: str, created: int, outcome: Outcome, written: Transcript, timeout_s: float
    ) -> Signed:
        self.time_left.append(timeout_s)
        self.signed.append((request_id, created, outcome, written))
        return SIGNED


def request(lab: Lab, max_cost: int | None = None) -> Request:
    return Request(lab.question, "balanced", None, None, 100, 0.7, max_cost, "", include_trace=True)


def orchestrate(
    lab: Lab,
    world: World,
    office: Office,
    offer: Offer = Offer(("openai",), (), ()),  # noqa: B008 - frozen
    deadline_s: float = 60.0,
) -> Result:
    chance = Chance(lambda size: bytes(range(size)), lambda: 1_790_000_000.9)
    orchestrator = Orchestrator(office, office, lambda: offer, world.edges, chance)
    return world.do(orchestrator.orchestrate(request(lab), world.clock() + deadline_s, world.watcher))


def test_an_answer_is_planned_run_written_signed_and_returned(lab: Lab) -> None:
    world, office = lab.world({"a": [lab.says("Paris", after_s=2.0)]}), Office(lab.plan())
    result = orchestrate(lab, world, office)
    assert result.id == "prysm-000102030405060708090a0b0c0d0e0f"
    assert result.created == 1_790_000_000
    assert result.signed == SIGNED
    assert result.outcome.answer.text == "Paris"
    assert result.total_ms == pytest.approx(2000)
    assert office.signed == [(result.id, result.created, result.outcome, result.transcript)]
    assert result.transcript.nonce == bytes(range(32))
    assert result.transcript.sha256 == hashlib.sha256(result.transcript.text).digest()
    assert json.loads(result.transcript.text)["answer"] == "Paris"
    assert world.watcher.completed_stages == [(0, "ok")]


@pytest.mark.parametrize("offer", [Offer(("openai",), (), ()), Offer((), ("qwen",), ("qwen",))])
def test_the_planner_hears_what_can_be_asked(lab: Lab, offer: Offer) -> None:
    office = Office(lab.plan())
    orchestrate(lab, lab.world({"a": [lab.says("Paris")]}), office, offer)
    assert office.offers == [offer]


def test_without_any_provider_nothing_is_planned(lab: Lab) -> None:
    office = Office(lab.plan())
    with pytest.raises(NoProviderError):
        orchestrate(lab, lab.world({}), office, Offer((), (), ()))
    assert not office.offers


def test_what_failed_is_not_signed(lab: Lab) -> None:
    office = Office(lab.plan())
    with pytest.raises(AllFailedError):
        orchestrate(lab, lab.world({"a": [lab.fails("rejected")]}), office)
    assert not office.signed


def test_planning_and_signing_get_no_more_time_than_is_left(lab: Lab) -> None:
    world, office = lab.world({"a": [lab.says("Paris", after_s=1.0)]}), Office(lab.plan(), takes_s=0.5)
    orchestrate(lab, world, office, deadline_s=3.0)
    assert office.time_left == pytest.approx([3.0, 1.5])


def test_a_stage_s_start_counts_from_the_orchestration_s_and_not_from_the_plan_s(lab: Lab) -> None:
    world, office = lab.world({"a": [lab.says("Paris")]}), Office(lab.plan(), takes_s=0.5)
    result = orchestrate(lab, world, office)
    assert [stage.start_ms for stage in result.outcome.stages] == pytest.approx([500])


def run_plan(lab: Lab, script: Script, strategy: str = "single", deadline_s: float = 10.0) -> tuple[World, Outcome]:
    world = lab.world(script)
    plan = lab.plan("abc" if strategy == "ensemble_moa" else "a", "x", "f", strategy)
    task = lab.task(plan)
    return world, world.do(execute(task, None, world.edges, world.clock() + deadline_s, world.watcher))


def test_an_outcome_sums_up_its_stages(lab: Lab) -> None:
    script = {name: [lab.says("Paris")] for name in "bcx"} | {"a": [lab.fails("rejected")]}
    _, outcome = run_plan(lab, script, "ensemble_moa")
    assert outcome.totals.models_used == ["b", "c", "x"]
    assert outcome.totals.cost == 3 * (20 * 2 + 5 * 10)
    assert [item.model for item in outcome.degradations] == ["a"]
    assert [stage.status for stage in outcome.stages] == ["failed", "ok", "ok", "ok"]


def test_a_shape_that_is_unknown_is_refused_before_any_call(lab: Lab) -> None:
    with pytest.raises(UnknownStrategyError):
        run_plan(lab, {"a": [lab.says("Paris")]}, "guess")


@pytest.mark.parametrize("strategy", ["single", "ensemble_moa"])
def test_nobody_answering_in_time_is_a_deadline_and_no_failure_of_models(lab: Lab, strategy: str) -> None:
    with pytest.raises(DeadlineError):
        run_plan(lab, {name: [lab.hangs()] for name in "abcfx"}, strategy)


def test_nobody_answering_in_time_without_stand_ins_is_a_deadline_too(lab: Lab) -> None:
    world = lab.world({name: [lab.hangs()] for name in "abc"})
    with pytest.raises(DeadlineError):
        world.do(execute(lab.moa(fallbacks=""), None, world.edges, world.clock() + 10, None))


def test_a_deadline_that_passed_after_a_refusal_is_a_deadline(lab: Lab) -> None:
    with pytest.raises(DeadlineError):
        run_plan(lab, {"a": [lab.fails("rejected")], "f": [lab.hangs()]})


def test_a_refusal_among_time_outs_before_the_deadline_is_a_failure_of_models(lab: Lab) -> None:
    script = {"a": [lab.hangs()], "f": [lab.fails("rejected")]}
    with pytest.raises(AllFailedError, match=r"^1 rejected, 1 timeout$"):
        run_plan(lab, script)


def test_the_run_s_span_is_the_parent_of_its_calls_and_says_how_it_went(lab: Lab) -> None:
    script = {name: [lab.says("Paris")] for name in "abcx"}
    world, outcome = run_plan(lab, script, "ensemble_moa")
    *inner, whole = world.finished_spans()
    calls = [span for span in inner if span.name.startswith("invoke_agent ")]
    assert sorted(span.name for span in calls) == ["invoke_agent aggregate", *["invoke_agent propose"] * 3]
    assert whole.name == "invoke_workflow prysm.ensemble_moa"
    assert whole.context
    assert {call.parent.span_id for call in calls if call.parent} == {whole.context.span_id}
    attributes = dict(whole.attributes or {})
    assert attributes["prysm.calls"] == 4
    assert attributes["prysm.agreement"] == 1.0
    assert attributes["prysm.confidence"] == outcome.answer.confidence.value
    assert attributes["prysm.degraded"] is False
