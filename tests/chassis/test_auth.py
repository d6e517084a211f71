"""Methods that need a key, over RPC: a stranger learns nothing, not even whether the request was well formed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from chassis.errors import from_rpc
from chassis.identity import Client, create_key, current_client
from openprysm.executor.v1 import executor_pb2, executor_pb2_grpc
from openprysm.planner.v1 import planner_pb2

from .conftest import PEPPER
from .service import PATIENCE_S, PLANNER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from typing import Any

    from .service import Metadata, Service


@pytest.fixture
def key(folder: Path) -> str:
    return create_key(folder / "keys.json", PEPPER, "a")


async def refusal(service: Service, metadata: Metadata, data: bytes = b"") -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.raw(data, metadata)
    return caught.value


async def test_a_good_key_is_let_in_and_its_handler_knows_whose_it_is(guarded: Service, key: str) -> None:
    seen: list[Client] = []

    async def answer(_request: planner_pb2.PlanRequest) -> planner_pb2.PlanResponse:
        seen.append(current_client.get())
        return planner_pb2.PlanResponse()

    guarded.answer = answer
    with capture_logs() as logs:
        await guarded.plan(metadata=(("authorization", f"Bearer {key}"),))
    assert seen == [Client(key.split("_")[2], key)]
    assert [line["key_id"] for line in logs] == [seen[0].key_id]
    assert key not in str(logs)


_GOOD = "the good key"
_BAD = {
    "none": (),
    "an empty one": ("",),
    "a wrong one": (f"Bearer prysm_sk_{'0' * 16}_{'s' * 43}",),
    "another scheme": ("Basic dTpw",),
    "the good one twice": (_GOOD, _GOOD),
    "a bad one before the good one": ("Bearer x", _GOOD),
    "a bad one after the good one": (_GOOD, "Bearer x"),
    "a long one": ("Bearer " + "x" * 4_000,),
}


@pytest.mark.parametrize("data", [b"", b"\xff"], ids=["a request", "no request"])
@pytest.mark.parametrize("values", _BAD.values(), ids=_BAD.keys())
async def test_whatever_else_is_sent_gets_the_same_refusal(
    guarded: Service, key: str, values: tuple[str, ...], data: bytes
) -> None:
    metadata = tuple(("authorization", f"Bearer {key}" if value is _GOOD else value) for value in values)
    error = await refusal(guarded, metadata, data)
    got = from_rpc(error)
    assert (got.code, got.reason) == (grpc.StatusCode.UNAUTHENTICATED, "invalid_api_key")
    assert got.message == "the API key is missing or invalid"
    assert key not in str(error.trailing_metadata())


async def test_no_other_header_stands_for_the_key(guarded: Service, key: str) -> None:
    for name in ("x-authorization", "proxy-authorization", "x-api-key", "authorization2", "cookie"):
        error = await refusal(guarded, ((name, f"Bearer {key}"),))
        assert error.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_key_is_no_way_around_a_bad_request(guarded: Service, key: str) -> None:
    error = await refusal(guarded, (("authorization", f"Bearer {key}"),), b"\xff")
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_requests_at_once_do_not_take_one_anothers_place(guarded: Service, folder: Path) -> None:
    keys = [create_key(folder / "keys.json", PEPPER, "a") for _ in range(20)]

    async def answer(_request: planner_pb2.PlanRequest) -> planner_pb2.PlanResponse:
        await asyncio.sleep(0)
        return planner_pb2.PlanResponse(plan=planner_pb2.Plan(rationale=current_client.get().key_id))

    guarded.answer = answer
    answers = await asyncio.gather(*(guarded.plan(metadata=(("authorization", f"Bearer {key}"),)) for key in keys))
    assert [answer.plan.rationale for answer in answers] == [key.split("_")[2] for key in keys]


async def test_what_is_not_protected_needs_no_key_and_knows_no_caller(guarded: Service, key: str) -> None:
    seen: list[object] = []

    async def stream() -> AsyncIterator[executor_pb2.ExecuteResponse]:
        seen.append(current_client.get(None))
        yield executor_pb2.ExecuteResponse()

    guarded.stream = stream
    stub = executor_pb2_grpc.ExecutorServiceStub(guarded.channel)
    metadata = (("authorization", f"Bearer {key}"),)
    assert [event async for event in stub.Execute(executor_pb2.ExecuteRequest(), metadata=metadata)]
    assert seen == [None]
    check: Any = health_pb2_grpc.HealthStub(guarded.channel).Check  # type: ignore[attr-defined] # the stubs leave it out
    answer = await check(health_pb2.HealthCheckRequest(service=PLANNER), timeout=PATIENCE_S)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_method_that_is_not_there_is_unimplemented_with_or_without_a_key(guarded: Service, key: str) -> None:
    for metadata in ((), (("authorization", f"Bearer {key}"),)):
        for method in (f"/{PLANNER}/Nope", "/openprysm.planner.v1.Nope/Plan", f"/{PLANNER}//Plan"):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await guarded.raw(b"", metadata, method)
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
