"""PlannerService over gRPC, as the executor calls it."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis import client
from chassis.errors import ServiceError
from chassis.interceptors import RpcInterceptor
from chassis.spans import Spans
from chassis.telemetry import Tracing
from openprysm.planner.v1 import planner_pb2, planner_pb2_grpc
from planner import catalog
from planner.catalog import TASKS
from planner.compliance import matrix
from planner.service import SERVICE, PlannerServicer

from .requests import OPEN, PICO

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stub() -> AsyncIterator[planner_pb2_grpc.PlannerServiceStub]:
    """Return a stub of a planner that serves the shipped catalog."""
    server = grpc.aio.server(interceptors=[RpcInterceptor(Spans(Tracing.to(None)))])
    planner_pb2_grpc.add_PlannerServiceServicer_to_server(PlannerServicer(catalog.load(), matrix.load()), server)
    with tempfile.TemporaryDirectory(prefix="pl") as folder:
        server.add_insecure_port(f"unix:{folder}/s")
        await server.start()
        async with grpc.aio.insecure_channel(f"unix:{folder}/s", client.options()) as channel:
            yield planner_pb2_grpc.PlannerServiceStub(channel)
        await server.stop(None)


def ask(**fields: Any) -> planner_pb2.PlanRequest:
    defaults: dict[str, Any] = {
        "messages": [planner_pb2.PlanMessage(role="user", text=OPEN)],
        "policy": "depth",
        "max_tokens": 1024,
        "providers": ["openai", "anthropic", "mistral"],
    }
    return planner_pb2.PlanRequest(**{**defaults, **fields})


async def plan(stub: planner_pb2_grpc.PlannerServiceStub, **fields: Any) -> planner_pb2.Plan:
    return (await client.call(stub.Plan, ask(**fields), 10.0)).plan


async def refusal(stub: planner_pb2_grpc.PlannerServiceStub, **fields: Any) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        await plan(stub, **fields)
    return caught.value


async def test_the_service_is_the_one_of_the_contract() -> None:
    assert SERVICE == "openprysm.planner.v1.PlannerService"


async def test_a_plan_says_all_that_the_executor_needs(stub: planner_pb2_grpc.PlannerServiceStub) -> None:
    got = await plan(stub)
    assert (got.policy, got.strategy, got.forced, got.task) == ("depth", "ensemble_moa", False, "reasoning")
    assert (got.k, got.confidence_bar) == (3, 0.85)
    assert list(got.signals) == ["reasoning", "open", "language en"]
    assert len(got.proposers) == 3
    assert got.rationale
    for item in (*got.proposers, *got.synthesizers, *got.fallbacks):
        assert item.id
        assert item.provider in {"openai", "anthropic", "mistral"}
        assert item.upstream_name
        assert item.family
        assert item.context_window > 100_000
        assert 0 < item.input_pico_usd_per_token <= item.output_pico_usd_per_token
        assert 0 < item.quality < 1


async def test_judges_and_routes_cross_the_wire(stub: planner_pb2_grpc.PlannerServiceStub) -> None:
    debate = await plan(stub, strategy="debate")
    assert len(debate.judges) == 3
    assert not debate.routes
    split = await plan(stub, strategy="decompose_and_route")
    assert [route.task for route in split.routes] == list(TASKS)
    # A route tells its models' quality on the task of the part.
    best = {route.task: max(item.quality for item in route.models) for route in split.routes}
    assert best["code"] > best["reasoning"]


async def test_token_probabilities_are_told_per_model(stub: planner_pb2_grpc.PlannerServiceStub) -> None:
    got = await plan(stub, strategy="single", providers=["deepseek"])
    assert got.proposers[0].logprobs
    got = await plan(stub, strategy="single", providers=["anthropic"])
    assert not got.proposers[0].logprobs


async def test_a_local_models_price_is_zero_and_not_absent(stub: planner_pb2_grpc.PlannerServiceStub) -> None:
    got = await plan(stub, providers=[], local_models=["mine"])
    assert got.proposers[0].HasField("output_pico_usd_per_token")
    assert got.proposers[0].output_pico_usd_per_token == 0


async def test_what_the_request_says_is_heeded(stub: planner_pb2_grpc.PlannerServiceStub) -> None:
    got = await plan(stub, strategy="ensemble_moa", k=5, judge_model="mistral-small-4", policy="efficiency")
    assert (got.forced, got.k, got.synthesizers[0].id) == (True, 5, "mistral-small-4")
    narrow = await plan(stub, k=3, max_cost_pico_usd=PICO // 100)
    assert narrow.k < 3
    first = got.proposers[0].id
    without = await plan(stub, strategy="ensemble_moa", k=5, policy="efficiency", unhealthy_models=[first])
    assert first not in [item.id for item in without.proposers]


_BAD: list[tuple[dict[str, Any], str]] = [
    ({"messages": []}, "messages"),
    ({"messages": [planner_pb2.PlanMessage(role="assistant", text="a")]}, "messages"),
    ({"policy": ""}, "policy"),
    ({"policy": "Depth"}, "policy"),
    ({"strategy": "vote"}, "strategy"),
    ({"strategy": "x" * (1 << 20)}, "strategy"),
    ({"k": 0}, "k"),
    ({"k": -1}, "k"),
    ({"k": 9}, "k"),
    ({"k": 10**6}, "k"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": -5}, "max_tokens"),
    ({"max_tokens": 32_769}, "max_tokens"),
]


@pytest.mark.parametrize(("fields", "named"), _BAD, ids=lambda value: str(value)[:40])
async def test_a_bad_field_is_named(
    stub: planner_pb2_grpc.PlannerServiceStub, fields: dict[str, Any], named: str
) -> None:
    error = await refusal(stub, **fields)
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "invalid_request")
    assert error.message.startswith(f"{named}: ")


async def test_no_provider_is_told_at_once(stub: planner_pb2_grpc.PlannerServiceStub) -> None:
    error = await refusal(stub, providers=[])
    assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "no_provider_available")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(), role=st.text(max_size=9))
async def test_any_text_gets_a_plan(stub: planner_pb2_grpc.PlannerServiceStub, text: str, role: str) -> None:
    messages = [planner_pb2.PlanMessage(role=role, text=text), planner_pb2.PlanMessage(role="user", text=text)]
    assert (await plan(stub, messages=messages)).proposers
