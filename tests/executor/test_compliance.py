"""Under any policy, whatever fails: nobody is called whom the policy excludes."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any, Final

import pytest

from executor.attestation import attest
from executor.chat import CallError, Message
from executor.reply import AllFailedError, BrokenOffError
from executor.run import Task
from executor.strategies import STRATEGIES
from executor.wire import incoming
from openprysm.planner.v1 import planner_pb2
from planner import catalog
from planner import plan as planning
from planner.classifier import CLASSES
from planner.compliance import matrix, policy
from planner.compliance.officer import rule
from planner.service import _plan

if TYPE_CHECKING:
    from executor.conftest import Behaviour, Lab
    from executor.plan import Model, Plan
    from executor.run import Run
    from executor.strategies.answer import Answer

#: Of each shape; together more than 10,000.
#: A shape.
RUNS: Final = int(os.environ.get("DRILL_SCRIPTS", "150"))
CATALOG: Final = catalog.load()
MATRIX: Final = matrix.load().placed("EU", ["EU"])
PROVIDERS: Final = sorted({model.provider for model in CATALOG.models.values()})
LOCAL: Final = ("qwen2.5-coder-1.5b", "an-operator's-own")
TEXTS: Final = (
    "What is the capital of France?",
    "Why do cities grow? Compare the reasons, and then list three examples.",
    "My IBAN is DE89 3704 0044 0532 0130 00.",
    "patient MRN 12345 was diagnosed with asthma",
    "write to jane.doe@example.com, SSN 123-45-6789",
    "AKIAIOSFODNN7EXAMPLE opens it",
)
DAG: Final = '{"nodes": [{"id": "1", "task": "a", "capability": "math"}, {"id": "2", "task": "b $1", "needs": ["1"]}]}'


def some(dice: Random, values: list[str], share: float) -> list[str]:
    return dice.sample(values, dice.randint(1, len(values))) if dice.random() < share else []


def any_policy(dice: Random) -> policy.Policy:
    """Return a policy; one of two leaves somebody."""
    if dice.random() < 0.1:
        return policy.parse(dice.choice(list(policy.packs())))
    rules: dict[str, Any] = {
        "provider_allowlist": some(dice, PROVIDERS, 0.4),
        "provider_denylist": some(dice, PROVIDERS[:3], 0.4),
        "jurisdiction": some(dice, ["us", "EU", "CN", "unheard of"], 0.3),
        "data_residency": some(dice, ["EU", "CN", "US"], 0.2),
        "frameworks": some(dice, ["GDPR", "CCPA"], 0.2),
        "certifications": some(dice, ["SOC2", "ISO27001", "HIPAA"], 0.2),
        "block_data_classes": some(dice, list(CLASSES), 0.4),
        "require_zero_retention": dice.random() < 0.1,
    }
    return policy.parse(rules)


def any_behaviour(lab: Lab, dice: Random) -> Behaviour:
    text = dice.choice(("Paris", "Rome", "42", "FINAL ANSWER:\nParis", DAG, "A", "TIE", " \n", "grok-4, gpt-5.2"))
    fault = dice.choice(("unavailable", "rejected", "rate_limited", "timeout", "bad_response"))
    return dice.choice(
        (
            lab.says(text),
            lab.says(text),
            lab.says(text, after_s=dice.choice((0.5, 5.0, 40.0))),
            lab.fails(fault, transient=dice.random() < 0.5),
            lab.writes("Pa", "ris", every_s=0.3, then=CallError("unavailable", "gone", worked=True)),
            lab.hangs(),
        )
    )


async def answer_of(shape: str, run: Run) -> Answer:
    return await STRATEGIES[shape](run)


def planned(dice: Random, shape: str, text: str) -> tuple[Plan, frozenset[str]] | None:
    """Plan as the planner does, over the wire's messages; None: the policy leaves nobody."""
    available = CATALOG.available(frozenset(PROVIDERS), LOCAL)
    decision = rule(any_policy(dice), (text,), available, MATRIX).decision
    request = planning.Request(
        messages=(("user", text),),
        policy=dice.choice(("efficiency", "balanced", "depth")),
        strategy=shape,
        k=dice.choice((None, 1, 4, 8)),
        max_tokens=500,
        max_cost=dice.choice((None, None, 10**9, 10**10)),
        judge_model=dice.choice(("", *CATALOG.models)),
        providers=frozenset(PROVIDERS),
        local_models=LOCAL,
        unhealthy=frozenset(dice.sample(list(CATALOG.models), dice.randint(0, 6))),
        barred=frozenset(decision.excluded),
    )
    if not decision.allowed:
        with pytest.raises(planning.PlanError, match="no_compliant_model"):
            planning.make_plan(request, CATALOG)
        return None
    plan = planning.make_plan(request, CATALOG)
    sent = planner_pb2.Plan.FromString(_plan(plan, decision).SerializeToString())
    return incoming.read_plan(sent), frozenset(decision.allowed)


@pytest.mark.parametrize("shape", sorted(STRATEGIES))
def test_no_call_reaches_a_provider_that_the_policy_excludes(lab: Lab, shape: str) -> None:
    dice = Random(shape)  # noqa: S311 - a test's dice
    ran = calls = 0
    for _ in range(RUNS):
        text = dice.choice(TEXTS)
        made = planned(dice, shape, text)
        if made is None:
            continue
        plan, allowed = made
        names = {model.upstream for model in CATALOG.models.values()} | {*CATALOG.models, *LOCAL}
        world = lab.world(
            {name: [any_behaviour(lab, dice) for _ in range(3)] for name in names}, seed=dice.randint(0, 2**32)
        )
        reached: list[Model] = []

        def note(model: Model, reached: list[Model] = reached, world: Any = world) -> Any:
            reached.append(model)
            return world.provider

        world.edges = replace(world.edges, provider_of=note)
        world.break_open(*dice.sample(list(CATALOG.models), 3))
        for name in CATALOG.models:
            for _ in range(20):
                world.hedges.observe(name, 0.01, streamed=False)
        run = world.run(Task(plan, (Message("user", text),), 500, 0.7), dice.choice((1.0, 30.0, 120.0)))
        with suppress(AllFailedError, BrokenOffError):
            world.do(answer_of(shape, run))
        assert {model.id for model in reached} <= allowed
        assert {stage.model.id for stage in run.stages} <= allowed
        attested = attest(plan.decision, run.stages, "prysm-0")
        assert attested is not None
        assert set(attested.decision["allowed"]) == allowed
        ran += 1
        calls += len(run.stages)
    assert ran > RUNS / 4
    assert calls > ran


def test_a_run_without_a_policy_is_not_attested() -> None:
    assert attest(b"", (), "prysm-0") is None


def test_the_attestation_names_each_model_once_in_order_of_its_first_call(lab: Lab) -> None:
    world = lab.world({"a": [lab.fails("unavailable", transient=True), lab.says("Paris")], "b": [lab.says("Paris")]})
    decision = json.dumps({"allowed": ["a", "b"], "matrix_version": "rcm-0"}, separators=(",", ":")).encode()
    run = world.run(lab.task(lab.plan("ab", "a", "", "ensemble_moa")))
    world.do(answer_of("ensemble_moa", run))
    first = attest(decision, run.stages, "prysm-0")
    assert first == attest(decision, run.stages, "prysm-0")
    assert first != attest(decision, run.stages, "prysm-1")
    assert first != attest(decision, run.stages[:1], "prysm-0")
