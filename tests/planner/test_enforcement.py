"""A plan under a policy names nobody whom the policy excludes, in whatever part of it, and says what was decided."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.errors import ServiceError
from openprysm.compliance.v2 import compliance_pb2
from openprysm.planner.v1 import planner_pb2
from planner import catalog
from planner.classifier import CLASSES
from planner.compliance import matrix
from planner.compliance_service import ComplianceServicer
from planner.service import PlannerServicer
from planner.shapes import STRATEGIES

if TYPE_CHECKING:
    from planner.compliance.record import Record

CATALOG, MATRIX = catalog.load(), matrix.load()
RECORDS: list[Record] = []
SERVICER = PlannerServicer(CATALOG, MATRIX, RECORDS.append)
PREVIEW = ComplianceServicer(CATALOG, MATRIX, RECORDS.append)
HOSTED = ("openai", "anthropic", "google", "mistral", "deepseek", "xai")
LOCAL = ("qwen2.5-coder-1.5b", "mine")
RULES = st.fixed_dictionaries(
    {},
    optional={
        "provider_allowlist": st.lists(st.sampled_from([*HOSTED, "local", "nobody"]), max_size=4),
        "provider_denylist": st.lists(st.sampled_from([*HOSTED, "local"]), max_size=4),
        "jurisdiction": st.lists(st.sampled_from(["eu", "US", "CN", "MARS"]), max_size=3),
        "data_residency": st.lists(st.sampled_from(["EU", "CN"]), max_size=2),
        "frameworks": st.lists(st.sampled_from(["GDPR", "ccpa", "LGPD"]), max_size=1),
        "certifications": st.lists(st.sampled_from(["SOC2", "HIPAA"]), max_size=1),
        "block_data_classes": st.lists(st.sampled_from(list(CLASSES)), max_size=4),
        "require_zero_retention": st.booleans(),
    },
)


def ask(policy: Any, **fields: Any) -> planner_pb2.PlanRequest:
    request = planner_pb2.PlanRequest(
        **{"policy": "depth", "max_tokens": 500, "providers": HOSTED, "local_models": LOCAL, **fields}
    )
    if not request.messages:
        request.messages.add(role="user", text="Why do cities grow? Compare the reasons.")
    if isinstance(policy, str):
        request.compliance.string_value = policy
    elif policy is not None:
        request.compliance.struct_value.update(policy)
    return request


async def plan(request: planner_pb2.PlanRequest) -> planner_pb2.Plan:
    return (await SERVICER.Plan(request, None)).plan  # type: ignore[arg-type] # it reads nothing of the context


def named(made: planner_pb2.Plan) -> set[str]:
    lists = (made.proposers, made.synthesizers, made.fallbacks, made.judges, *(route.models for route in made.routes))
    return {model.id for models in lists for model in models}


@settings(max_examples=400, deadline=None)
@given(
    RULES,
    st.sampled_from(sorted(STRATEGIES)),
    st.sampled_from(["", "gpt-5.2", "grok-4"]),
    st.sets(st.sampled_from(HOSTED)),
)
def test_no_part_of_a_plan_names_an_excluded_model(
    rules: dict[str, Any], strategy: str, judge: str, providers: set[str]
) -> None:
    request = ask(
        rules, strategy=strategy, judge_model=judge, providers=sorted(providers), unhealthy_models=["gpt-5.2"]
    )
    try:
        made = asyncio.run(plan(request))
    except ServiceError as error:
        refused = error.reason
        made = planner_pb2.Plan()
    else:
        refused = ""
    assert refused in {"", "no_compliant_model", "no_provider_available"}
    assert bool(made.proposers) == (not refused)
    if made.compliance_decision:
        decision = json.loads(made.compliance_decision)
        assert named(made) <= set(decision["allowed"])
        assert not set(decision["allowed"]) & set(decision["excluded"])
        assert (
            len(decision["allowed"]) + len(decision["excluded"])
            == decision["allowed_count"] + decision["excluded_count"]
        )


async def test_without_a_policy_a_plan_carries_no_decision() -> None:
    assert (await plan(ask(None))).compliance_decision == b""
    assert (await plan(ask({}))).compliance_decision == b""


async def test_a_preferred_judge_is_not_preferred_over_the_policy() -> None:
    made = await plan(ask("EU-SOVEREIGN", strategy="ensemble_moa", judge_model="gpt-5.2"))
    assert named(made) == {"mistral-large-3", "mistral-small-4"}


async def test_every_message_counts() -> None:
    request = ask({"block_data_classes": ["SECRETS"]})
    request.messages.add(role="assistant", text="Use AKIAIOSFODNN7EXAMPLE.")
    with pytest.raises(ServiceError, match="block_data_classes excludes 14") as caught:
        await plan(request)
    assert "AKIA" not in str(caught.value)


@pytest.mark.parametrize(
    ("policy", "named_field"),
    [("NONE", "compliance"), ({"frameworks": "GDPR"}, "compliance.frameworks"), ({"rules": []}, "compliance.rules")],
)
async def test_a_policy_that_cannot_be_read_is_refused(policy: Any, named_field: str) -> None:
    with pytest.raises(ServiceError) as caught:
        await plan(ask(policy))
    assert caught.value.reason == "invalid_request"
    assert caught.value.message.startswith(f"{named_field}: ")


def previewed(policy: Any, text: str) -> dict[str, Any]:
    request = compliance_pb2.PreviewRequest(prompt=text)
    if isinstance(policy, str):
        request.compliance.string_value = policy
    else:
        request.compliance.struct_value.update(policy)
    said = asyncio.run(PREVIEW.Preview(request, None))  # type: ignore[arg-type] # it reads nothing of the context
    decision = json_format.MessageToDict(
        said.decision, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    assert isinstance(decision, dict)
    return decision


@pytest.mark.parametrize(
    "text", ["Why do cities grow?", "Write to jane@example.com", "IBAN GB82 WEST 1234 5698 7654 32"]
)
@pytest.mark.parametrize("policy", ["GDPR", "hipaa", "EU-SOVEREIGN", {"block_data_classes": ["pii", "financial"]}])
def test_where_the_whole_catalog_is_on_offer_preview_and_plan_decide_the_same(policy: Any, text: str) -> None:
    every = ask(
        policy,
        messages=[planner_pb2.PlanMessage(role="user", text=text)],
        providers={model.provider for model in CATALOG.models.values() if model.provider != catalog.LOCAL},
        local_models=[model.id for model in CATALOG.models.values() if model.provider == catalog.LOCAL],
    )
    decision, shown = json.loads(asyncio.run(plan(every)).compliance_decision), previewed(policy, text)
    assert decision == shown


@settings(max_examples=200, deadline=None)
@given(RULES, st.sets(st.sampled_from(HOSTED), min_size=1))
def test_what_is_on_offer_is_decided_as_previewed(rules: dict[str, Any], providers: set[str]) -> None:
    shown = previewed(rules, "Write to jane@example.com")
    text = planner_pb2.PlanMessage(role="user", text="Write to jane@example.com")
    try:
        made = asyncio.run(plan(ask(rules, messages=[text], providers=providers, local_models=[])))
    except ServiceError as error:
        assert error.reason == "no_compliant_model"  # noqa: PT017 - either is right, and both are checked
        assert not {CATALOG.models[name].provider for name in shown["allowed"]} & providers
        return
    assert named(made) <= set(shown["allowed"])
    if made.compliance_decision:
        decision = json.loads(made.compliance_decision)
        assert set(decision["allowed"]) <= set(shown["allowed"])
        assert decision["excluded"].items() <= shown["excluded"].items()


def test_each_decision_is_told_once_and_without_a_text() -> None:
    RECORDS.clear()
    asyncio.run(plan(ask("eu-sovereign", messages=[planner_pb2.PlanMessage(role="user", text="MRN 12345, Jane")])))
    previewed({"jurisdiction": ["MARS"]}, "Hello")
    previewed({}, "Hello")
    asyncio.run(plan(ask(None)))
    first, second, third = RECORDS
    assert (first.asked, first.outcome, first.pack, first.detected) == (
        "orchestrate", "allowed", "EU-SOVEREIGN", ("PHI",),
    )  # fmt: skip
    assert (first.allowed, first.excluded_by["jurisdiction"] > 0) == (2, True)
    assert (second.asked, second.outcome, second.pack, second.allowed) == ("preview", "none", "own", 0)
    assert second.excluded_by["jurisdiction"] == second.excluded > 0
    assert (third.outcome, third.pack, third.excluded) == ("inert", "", 0)
    assert "Jane" not in str([record.fields() for record in RECORDS])
