"""From binding to the last answered request, and what is left in the log."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from chassis.config import Settings

from .process import NOT_SERVING, PROGRAM, SERVING, child
from .service import CANARY, PATIENCE_S, SERVICES, serving

if TYPE_CHECKING:
    from pathlib import Path

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


async def test_no_exceptions_text_reaches_log_or_spans(folder: Path) -> None:
    (folder / "canary").write_text(CANARY)
    async with child(folder) as running:
        for way in ("crash", "leak", "refuse"):
            await asyncio.gather(running.plan(way), return_exceptions=True)
        _, log = await running.stop()
    assert CANARY not in json.dumps(log) + running.spans()
    crashes = [line for line in log if line.get("error_type") == "ValueError"]
    assert [line["event"] for line in crashes] == ["unexpected_exception", "Task exception was never retrieved"]
    assert crashes[0]["error_at"][-1].startswith("_crash:")


async def test_each_request_leaves_one_line_with_its_trace(folder: Path) -> None:
    async with child(folder) as running:
        await running.plan()
        await asyncio.gather(running.plan("refuse"), return_exceptions=True)
        _, log = await running.stop()
    lines = [line for line in log if line["event"] == "rpc"]
    assert [(line["code"], line["reason"]) for line in lines] == [("OK", None), ("UNAVAILABLE", "overloaded")]
    for line in lines:
        assert line["method"] == "/openprysm.planner.v1.PlannerService/Plan"
        assert line["duration_ms"] > 0
        assert (line["service"], line["level"]) == ("test", "info")
        assert {"timestamp", "trace_id", "span_id"} <= line.keys()
        assert f'"0x{line["trace_id"]}"' in running.spans()
        assert f'"0x{line["span_id"]}"' in running.spans()


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
