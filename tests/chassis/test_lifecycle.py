"""From binding to the last answered request, and what is left in the log."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import pytest_asyncio
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from chassis import client
from chassis.config import Settings
from openprysm.planner.v1 import planner_pb2, planner_pb2_grpc

from .process import NOT_SERVING, PROGRAM, SERVING, child
from .service import CANARY, PATIENCE_S, SERVICES, free_address, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .service import Service


async def test_sigterm_takes_health_down_first_and_lets_requests_finish(folder: Path) -> None:
    async with child(folder) as running:
        watch = running.watch()
        assert await anext(watch) == SERVING
        request = asyncio.create_task(running.plan("wait"))
        await running.entered()
        stopping = asyncio.create_task(running.stop())
        assert await anext(watch) == NOT_SERVING
        assert not request.done()
        running.leave()
        assert (await request).plan.policy == "wait"
        status, log = await stopping
    assert status == 0
    assert [line["event"] for line in log] == ["serving", "rpc", "stopped"]


async def test_requests_are_taken_while_balancers_have_not_noticed_yet(folder: Path) -> None:
    async with child(folder, OPENPRYSM_STOP_DELAY_S="0.5") as running:
        watch = running.watch()
        assert await anext(watch) == SERVING
        stopping = asyncio.create_task(running.stop())
        assert await anext(watch) == NOT_SERVING
        assert (await running.plan("late")).plan.policy == "late"
        assert (await stopping)[0] == 0


async def test_a_rolling_restart_costs_callers_nothing(folder: Path) -> None:
    """What has reached the old server, but not its handlers, when that begins to stop is asked of the other."""
    addresses = [free_address(), free_address()]
    answered = 0

    async def load(stub: planner_pb2_grpc.PlannerServiceStub) -> None:
        nonlocal answered
        while True:
            await client.call(stub.Plan, planner_pb2.PlanRequest(), PATIENCE_S)
            answered += 1

    async def until_answered(more: int) -> None:
        enough = answered + more
        while answered < enough:
            await asyncio.sleep(0)

    target = "ipv4:" + ",".join(addresses)
    async with AsyncExitStack() as stack:
        replicas = [
            await stack.enter_async_context(child(folder, address, OPENPRYSM_LOG_LEVEL="error"))
            for address in addresses
        ]
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(target, client.options()))
        callers = [asyncio.create_task(load(planner_pb2_grpc.PlannerServiceStub(channel))) for _ in range(60)]
        await until_answered(500)
        assert (await replicas[0].stop())[0] == 0
        await until_answered(500)
        assert not [caller.exception() for caller in callers if caller.done()]
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)


async def test_what_takes_longer_than_the_grace_is_cancelled(folder: Path) -> None:
    async with child(folder, OPENPRYSM_STOP_GRACE_S="0.1") as running:
        request = asyncio.create_task(running.plan("wait"))
        await running.entered()
        status, log = await running.stop()
        with pytest.raises(grpc.aio.AioRpcError):
            await request
    assert status == 0
    assert [line["code"] for line in log if line["event"] == "rpc"] == ["CANCELLED"]


async def test_one_who_watches_health_does_not_hold_up_the_stop(folder: Path) -> None:
    async with child(folder, OPENPRYSM_STOP_GRACE_S="1000") as running:
        watch = running.watch()
        assert await anext(watch) == SERVING
        assert (await running.stop())[0] == 0
        assert await anext(watch) == NOT_SERVING


async def test_a_dead_collector_does_not_hold_up_the_stop(folder: Path) -> None:
    nowhere = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    async with child(folder, **nowhere) as running:
        await running.plan()
        assert (await running.stop())[0] == 0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def left() -> AsyncIterator[tuple[list[dict[str, Any]], str]]:
    """Yield the log and the spans of a service that was asked in every way."""
    with tempfile.TemporaryDirectory(prefix="ch") as path:
        folder = Path(path)
        (folder / "canary").write_text(CANARY)
        async with child(folder) as running:
            for way in ("", "refuse", "crash", "leak"):
                await asyncio.gather(running.plan(way), return_exceptions=True)
            _, log = await running.stop()
        yield log, running.spans()


async def test_no_exceptions_text_reaches_log_or_spans(left: tuple[list[dict[str, Any]], str]) -> None:
    log, spans = left
    assert CANARY not in json.dumps(log) + spans
    crashes = [line for line in log if line.get("error_type") == "ValueError"]
    assert [line["event"] for line in crashes] == ["unexpected_exception", "Task exception was never retrieved"]
    assert crashes[0]["error_at"][-1].startswith("_crash:")


async def test_each_request_leaves_one_line_with_its_trace(left: tuple[list[dict[str, Any]], str]) -> None:
    log, spans = left
    lines = [line for line in log if line["event"] == "rpc"]
    assert [(line["code"], line["reason"]) for line in lines] == [
        ("OK", None),
        ("UNAVAILABLE", "overloaded"),
        ("INTERNAL", "orchestration_error"),
        ("OK", None),
    ]
    for line in lines:
        assert line["method"] == "/openprysm.planner.v1.PlannerService/Plan"
        assert line["duration_ms"] > 0
        assert (line["service"], line["level"]) == ("test", "info")
        assert "timestamp" in line
        assert f'"0x{line["trace_id"]}"' in spans
        assert f'"0x{line["span_id"]}"' in spans


async def test_a_taken_port_is_one_line_and_status_1(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(PROGRAM), str(folder), address, stderr=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(PATIENCE_S):
            _, log = await process.communicate()
    assert process.returncode == 1
    assert log.decode().splitlines()[-1] == f"test: can't listen on {address}; is it taken?"
    assert "Traceback" not in log.decode()


@pytest.fixture
def open_folder(folder: Path) -> Path:
    folder.chmod(0o755)
    return folder


async def test_a_socket_in_a_folder_that_others_may_enter_is_refused(open_folder: Path) -> None:
    with pytest.raises(PermissionError, match="0700"):
        async with serving(open_folder):
            pass


async def test_a_stale_socket_is_no_hindrance(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(folder / "planner.sock"))
    async with serving(folder) as service:
        assert (await service.plan("a")).plan.policy == "a"


async def test_reflection_lists_the_services(service: Service) -> None:
    channel: Any = service.channel
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    question = reflection_pb2.ServerReflectionRequest(list_services="")
    (answer,) = [answer async for answer in stub.ServerReflectionInfo(iter([question]), timeout=PATIENCE_S)]
    names = {item.name for item in answer.list_services_response.service}
    assert names == {*SERVICES, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}


async def test_a_message_of_16_mib_passes_and_a_larger_one_does_not(folder: Path) -> None:
    async with serving(folder, settings=Settings(run=folder)) as service:
        limit = 16 << 20
        assert len((await service.plan("a" * (limit - 100))).plan.policy) == limit - 100
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await service.plan("a" * limit)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_an_answer_that_is_bytes_already_goes_as_it_is(service: Service) -> None:
    plan = planner_pb2.Plan(policy="a").SerializeToString()
    sent = b"\x0a" + bytes([len(plan)]) + plan + b"\xf8\x3f\x01"  # and a field that nobody knows, out of order

    async def answer(_request: planner_pb2.PlanRequest) -> Any:
        return sent

    service.answer = answer
    assert await service.raw(b"") == sent
